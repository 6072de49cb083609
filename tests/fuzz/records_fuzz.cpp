// Purpose: what a hostile tracee may leave where the tools' records lie, against the code that reads them and writes
// files of them: this process's own memory is the tracee's, filled as a string of bytes says.
// Usage: records_fuzz --seconds=N --corpus=DIR [--seed=N] [FILE]; with FILE only this input.
// A failing input is in ./records_fuzz.failed, also after a crash; the last line of output is the command to repeat it.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "agent/tools/callgrind/records.h"
#include "agent/tools/dhat/records.h"
#include "agent/tools/massif/records.h"
#include "protocol/callstack.h"
#include "supervisor/reports/callgrind/callgrind_writer.h"
#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/callgrind/record_reader.h"
#include "supervisor/reports/dhat/site_reader.h"
#include "supervisor/reports/massif/record_reader.h"
#include "supervisor/symbols/stack_reader.h"
#include "tests/harness/fuzz.h"
#include "tests/harness/own_process.h"

namespace {

using namespace vsup;
using namespace vsup::supervisor;
using Random = std::mt19937_64;

constexpr char kFailedName[] = "records_fuzz.failed";
constexpr size_t kLongestInput = size_t{64} << 10;
constexpr uint64_t kGeneration = 7;
constexpr uint64_t kPage = 4096;
constexpr unsigned kMostRecords = 24;

// Decisions out of a string of bytes; zeros when it is used up.
class Decisions {
 public:
  explicit Decisions(const std::string& bytes) : bytes_(bytes) {
    static constexpr unsigned kTame[] = {256, 255, 252, 232};
    tame_ = kTame[byte() % std::size(kTame)];
  }

  uint8_t byte() { return at_ < bytes_.size() ? static_cast<uint8_t>(bytes_[at_++]) : 0; }
  uint64_t word() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  // Below the limit; in inputs that are not tame now and then at it, just above it, or anything.
  uint64_t number(uint64_t limit) {
    const uint8_t kind = byte();
    if (kind < tame_) return limit == 0 ? 0 : (uint64_t{byte()} << 8 | byte()) % limit;
    switch (byte() % 3) {
      case 0:
        return limit;
      case 1:
        return limit + 1;
      default:
        return word();
    }
  }
  uint32_t index(uint64_t limit) { return static_cast<uint32_t>(number(limit)); }
  // How many records there are; in one of many inputs as many as fit, or more.
  uint64_t count(uint64_t most) {
    const uint8_t kind = byte();
    if (kind == 255) return byte() < 8 ? most + byte() % 2 : word();
    return kind % kMostRecords;
  }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
  unsigned tame_ = 0;  // bytes below it stand for a number in its bounds
};

// Memory at the agent's addresses; clear() gives it back its zeros.
class Memory {
 public:
  Memory() {
    for (const auto& [start, size] : kAreas) {
      const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
      if (mmap(at(start), size, PROT_READ | PROT_WRITE, flags, -1, 0) != at(start)) std::abort();
    }
  }
  void clear() {
    for (const auto& [start, size] : kAreas) madvise(at(start), size, MADV_DONTNEED);
  }
  template <typename T>
  static T* at_as(uint64_t address) {
    return reinterpret_cast<T*>(address);
  }

 private:
  static constexpr std::pair<uint64_t, uint64_t> kAreas[] = {
      {protocol::kSlotsBase, 2 * protocol::kSlotSize},
      {protocol::kToolBase, protocol::kToolSize + protocol::kCallstackSize + kPage},  // HeapControl is the last page
  };
  static void* at(uint64_t address) { return reinterpret_cast<void*>(address); }
};

void fill_callgrind(Decisions& next) {
  namespace records = agent::callgrind;
  auto* header = Memory::at_as<records::Header>(records::kToolBase);
  const uint64_t blocks = next.count(records::kMaxBlocks), edges = next.count(records::kMaxEdges);
  const bool tree = next.byte() % 2 != 0, by_context = tree && next.byte() % 2 != 0;
  const uint64_t nodes = tree ? 1 + next.count(records::kMaxNodes) : 0;
  const uint64_t contexts = tree ? 1 + next.count(records::kMaxContexts) : 0;
  const uint64_t callers = next.count(records::kMaxCallers), stacks = next.count(records::kMaxStacks);
  const uint64_t counters = by_context ? next.count(records::kMaxBlocks) : 0;
  const uint64_t lengths = next.number(200);
  *header = {.blocks = blocks,
             .lengths = lengths,
             .edges = edges,
             .passed = next.count(records::kMaxPassed),
             .lost_blocks = next.byte(),
             .lost_sites = next.byte(),
             .nodes = nodes,
             .contexts = contexts,
             .callers = callers,
             .counters = counters,
             .stacks = stacks,
             .functions = 0,
             .switches = 0};
  for (unsigned i = 0; i < kMostRecords; ++i) {
    const uint64_t code = reinterpret_cast<uint64_t>(&fill_callgrind);
    Memory::at_as<records::BlockRecord>(records::kBlocksAt)[i] = {
        .app_pc = code + next.number(4096),
        .lengths = next.index(lengths / 2 + 1),
        .count = static_cast<uint16_t>(next.index(std::min<uint64_t>(lengths / 2 + 1, 12))),
        .size = next.byte(),
        .passed = static_cast<uint16_t>(next.byte() % 8),
        .is_part = next.byte() % 16 == 0};
    auto& edge = Memory::at_as<records::EdgeRecord>(records::kEdgesAt)[i];
    edge = {};
    edge.site_pc = code + next.number(4096);
    edge.callee_pc = next.byte() % 4 == 0 ? 0 : code + next.number(4096);
    edge.block = next.byte() % 2 == 0 ? records::kNoBlock : next.index(blocks + 1);
    edge.index = i;
    edge.passed = next.index(kMostRecords);
    edge.passed_count = next.byte() % 4;
    Memory::at_as<uint64_t>(records::kPassedAt)[i] = code + next.number(4096);
    edge.kind = static_cast<records::EdgeKind>(next.byte() % 4);
    Memory::at_as<records::NodeRecord>(records::kNodesAt)[i] = {next.index(i), next.index(edges), next.index(contexts),
                                                                0};
    Memory::at_as<records::ContextRecord>(records::kContextsAt)[i] = {
        next.index(5),
        next.index(callers / 2 + 1),
        next.index(callers / 2 + 1),
        0,
        next.byte() % 4 == 0 ? code + 16 : 0,
        next.byte() % 4 == 0 ? code + next.number(4096) : 0,
        next.index(contexts),
        0};
    Memory::at_as<uint64_t>(records::kCallersAt)[i] = code + next.number(4096);
    Memory::at_as<records::CounterRecord>(records::kCountersAt)[i] = {next.index(blocks), next.index(contexts)};
    Memory::at_as<uint32_t>(records::kMovedAt)[i] = next.index(64);
    Memory::at_as<records::StackRecord>(records::kStackRecordsAt)[i] = {
        static_cast<records::StackState>(next.byte() % 4),
        next.index(kMostRecords),
        protocol::kSlotsBase + next.number(2) * protocol::kSlotSize,
        records::kStacksAt + next.number(4096),
        records::kStacksAt + next.number(1 << 14),
        records::kStacksAt + next.number(1 << 14),
        0};
  }
  for (unsigned i = 0; i < 200; ++i) Memory::at_as<uint8_t>(records::kLengthsAt)[i] = next.byte();
  for (unsigned i = 0; i < 64; ++i)
    Memory::at_as<records::Frame>(records::kStacksAt)[i] = {next.word(), next.word(), next.index(40), next.index(40),
                                                            0};
  for (unsigned slot = 0; slot < 2; ++slot) {
    const uint64_t base = protocol::kSlotsBase + slot * protocol::kSlotSize;
    *Memory::at_as<uint64_t>(base + records::kGenerationOffset) = next.byte() % 8 == 0 ? next.word() : kGeneration;
    Memory::at_as<protocol::ThreadContext>(base)->tool_stack = records::kStacksAt + next.number(1 << 14);
    for (const uint32_t offset : {records::kBlockCountOffset, records::kInclusiveOffset, records::kCallsOffset,
                                  records::kNodeInclusiveOffset, records::kNodeCallsOffset})
      for (unsigned i = 0; i < kMostRecords; ++i) Memory::at_as<uint64_t>(base + offset)[i] = next.number(1000);
  }
}

// What the simulation leaves beside it.
void fill_simulation(Decisions& next) {
  namespace records = agent::cachesim;
  for (unsigned i = 0; i < 200; ++i) {
    records::InstrRecord& record = Memory::at_as<records::InstrRecord>(records::kInstrsAt)[i];
    record.first_counter = next.index(64);
    record.groups = next.byte();
    record.reads = next.byte();
    record.writes = next.byte();
    const uint8_t fixed = next.byte();
    record.branches = fixed & 0x7f;
    record.locks = fixed >> 7 & 1;
  }
  for (unsigned slot = 0; slot < 2; ++slot) {
    const uint64_t base = protocol::kSlotsBase + slot * protocol::kSlotSize;
    *Memory::at_as<uint64_t>(base + agent::callgrind::kEventTopOffset) =
        agent::callgrind::kStacksAt + next.number(1 << 14);
    for (const uint32_t offset : {records::kCountersOffset, records::kTotalsOffset, agent::callgrind::kEventRowsOffset})
      for (unsigned i = 0; i < 8 * kMostRecords; ++i) Memory::at_as<uint64_t>(base + offset)[i] = next.number(1000);
  }
}

void fill_stacks(Decisions& next) {
  auto* control = Memory::at_as<protocol::CallstackControl>(protocol::kCallstackBase);
  control->node_count = next.count(protocol::kMaxDepotNodes);
  control->python_bytes = next.number(4096);
  control->python.line_table = static_cast<protocol::PythonLineTable>(next.byte() % 4);
  for (unsigned i = 0; i < kMostRecords; ++i) {
    const uint64_t value = next.byte() % 2 == 0 ? next.number(256) << 32 | next.number(64) : next.word();
    Memory::at_as<protocol::StackNode>(protocol::kDepotBase)[i] = {
        uint64_t{next.byte()} % 5 << protocol::kFrameKindShift | (value & protocol::kFrameValueMask), next.index(i + 1),
        0};
  }
  for (unsigned i = 0; i < 4; ++i) {
    auto* code = Memory::at_as<protocol::PythonCode>(protocol::kPythonRecordsBase + 1024 * i);
    code->first_line = next.index(1000);
    code->table_size = next.index(200);
    code->name_length = next.index(40);
    code->file_length = next.index(40);
    code->name_kind = static_cast<uint8_t>(next.index(5));
    code->file_kind = static_cast<uint8_t>(next.index(5));
    auto* text = reinterpret_cast<uint8_t*>(code + 1);
    for (unsigned at = 0; at < 300; ++at) text[at] = next.byte();
  }
}

void fill_massif(Decisions& next) {
  namespace records = agent::massif;
  auto* header = Memory::at_as<records::Header>(records::kToolBase);
  header->heap_bytes = next.word();
  header->seen_count = next.count(records::kMaxStacks);
  header->snapshot_count = next.index(records::kMaxSnapshots);
  header->log = next.byte() % 3;
  for (uint64_t& count : header->log_count) count = next.count(records::kMaxChanges);
  for (unsigned i = 0; i < kMostRecords; ++i) {
    auto& snapshot = Memory::at_as<records::Snapshot>(records::kSnapshotsAt)[i];
    snapshot.kind = static_cast<records::SnapshotKind>(next.byte() % 4);
    snapshot.detailed = next.byte() % 2;
    for (uint64_t& end : snapshot.log_end) end = next.index(kMostRecords + 2);
    snapshot.time = next.word();
    snapshot.heap_bytes = next.word();
    Memory::at_as<uint64_t>(records::kLiveAt)[i] = next.word();
    for (const uint64_t log : records::kLogAt) {
      auto& change = Memory::at_as<records::Change>(log)[i];
      change.stack = next.index(kMostRecords + 2);
      change.bytes = next.word();
    }
    Memory::at_as<uint32_t>(records::kSeenStacksAt)[i] = next.index(kMostRecords + 2);
  }
}

void fill_dhat(Decisions& next) {
  namespace records = agent::dhat;
  auto* header = Memory::at_as<records::Header>(records::kToolBase);
  header->start_ticks = next.word();
  header->site_limit = next.count(records::kMaxSites);
  header->peak = next.number(4);
  for (unsigned i = 0; i < kMostRecords; ++i) {
    auto& site = Memory::at_as<records::Site>(records::kSitesAt)[i];
    site.total_blocks = next.byte() % 4;
    site.total_bytes = next.word();
    site.peak = next.number(4);
  }
}

// Every stack that there is, with its Python frames' names.
void look_at(const StackReader& stacks) {
  for (uint32_t id = 0; id < kMostRecords + 2; ++id) {
    const auto frames = stacks.frames(id);
    if (frames.size() > protocol::kMaxStackDepth) std::abort();
    for (const CapturedFrame& frame : frames)
      if (frame.kind == protocol::kFramePython) stacks.python_location(frame);
  }
}

// Null when all went well, as below.
const char* check_sums(const callgrind::Grouped& grouped) {
  for (const callgrind::GroupedPart& part : grouped.parts)
    for (size_t event = 0; event < grouped.events.size(); ++event) {
      uint64_t sum = 0;
      for (const callgrind::CostRow& row : part.rows) sum += part.costs.at(row.cost + event);
      if (sum != part.totals.at(event)) return "the rows do not sum to the total";
    }
  return nullptr;
}

const char* try_callgrind(Decisions& next, ModuleCodeCache& cache) {
  fill_callgrind(next);
  cachesim::Simulation simulation;
  const uint8_t simulated = next.byte();
  simulation.callgrind = simulated % 3 != 0;
  simulation.caches = (simulated & 16) != 0;
  simulation.branches = (simulated & 32) != 0;
  simulation.write_back = (simulated & 64) != 0;
  simulation.line_use = (simulated & 128) != 0 && simulation.caches;
  simulation.bus = simulation.callgrind && simulated % 5 == 0;
  simulation.system_calls = simulation.callgrind && simulated % 7 == 0;
  simulation.shapes = {{1024, 2, 64}, {1024, 2, 64}, {4096, 4, 64}};
  if (simulation.any()) fill_simulation(next);
  const auto profile = callgrind::read_records(getpid(), kGeneration, simulation, {}, next.byte() % 2 != 0);
  if (!profile) return nullptr;
  callgrind::WriterOptions options;
  options.dump_instr = next.byte() % 2 != 0;
  options.separate_threads = next.byte() % 2 != 0;
  const callgrind::Grouped grouped = callgrind::group(*profile, options.group_options(), cache);
  if (const char* failure = check_sums(grouped)) return failure;
  for (const callgrind::OutputFile& file : callgrind::write_callgrind(grouped, options, "out", false))
    if (file.content.empty() || file.content.back() != '\n') return "a file does not end with a line";
  callgrind::write_collapsed(callgrind::name_stacks(*profile, cache), 1 << 16);
  return nullptr;
}

const char* try_input(const std::string& input, Memory& memory) {
  static ModuleCodeCache cache;
  memory.clear();
  Decisions next(input);
  const OwnProcess process(kGeneration);
  switch (next.byte() % 3) {
    case 0:
      return try_callgrind(next, cache);
    case 1:
      fill_massif(next);
      fill_stacks(next);
      if (const auto profile = massif::read_profile(process, next.byte() % 2 != 0)) look_at(profile->stacks);
      return nullptr;
    default:
      fill_dhat(next);
      fill_stacks(next);
      if (const auto sites = dhat::read_sites(process, 1'000'000'000)) look_at(sites->stacks);
      return nullptr;
  }
}

std::string mutate(std::string bytes, Random& random) {
  for (unsigned rounds = 1 + random() % 16; rounds-- > 0;) {
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 4) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(232 + random() % 24);
        break;
      case 2:
        bytes.insert(at, 1 + random() % 8, static_cast<char>(random()));
        break;
      default:
        if (!bytes.empty()) bytes.erase(at, 1 + random() % 8);
    }
  }
  if (bytes.size() > kLongestInput) bytes.resize(kLongestInput);
  return bytes;
}

std::string random_bytes(Random& random) {
  std::string bytes(4096 + random() % 8192, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::Settings settings;
  if (!fuzz::parse(argc, argv, settings)) return 1;
  Memory memory;
  if (!settings.single.empty()) return fuzz::report(settings, try_input(fuzz::slurp(settings.single), memory));
  Random random(settings.seed);
  std::vector<std::string> corpus = fuzz::read_corpus(settings.corpus);
  const size_t from_files = corpus.size();
  for (int i = 0; i < 32; ++i) corpus.push_back(random_bytes(random));
  std::printf("seed %llu, %zu corpus files\n", static_cast<unsigned long long>(settings.seed), from_files);
  std::fflush(stdout);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(settings.seconds);
  size_t count = 0;
  for (; std::chrono::steady_clock::now() < end; ++count) {
    std::string input = corpus[count % corpus.size()];
    if (count >= corpus.size()) input = mutate(std::move(input), random);
    fuzz::keep(kFailedName, input);
    if (const char* failure = try_input(input, memory)) {
      std::printf("failed after %zu inputs: %s\n%s %s\n", count, failure, argv[0], kFailedName);
      return 1;
    }
  }
  unlink(kFailedName);
  std::printf("%zu inputs, no failure\n", count);
  return 0;
}
