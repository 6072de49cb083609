#include "supervisor/reports/callgrind/live_records.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "agent/tools/cachesim/records.h"
#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/callgrind/open_frames.h"

namespace vsup::supervisor::callgrind {

namespace {

namespace records = agent::callgrind;

constexpr unsigned kMissingSlots = 64;  // in a row: no more come, see record_reader.cpp

bool read_header(const StoppedProcess& process, records::Header& header) {
  return process.generation() != 0 && process.read(records::kToolBase, &header, sizeof header) &&
         header.blocks <= records::kMaxBlocks && header.edges <= records::kMaxEdges &&
         header.nodes <= records::kMaxNodes && header.counters <= records::kMaxBlocks &&
         header.stacks <= records::kMaxStacks;
}

bool has_records(const StoppedProcess& process, uint64_t slot) {
  uint64_t generation = 0;
  return process.read(slot + records::kGenerationOffset, &generation, sizeof generation) &&
         generation == process.generation();
}

void write_zeros(StoppedProcess& process, uint64_t address, uint64_t size) {
  static const std::vector<uint8_t> zeros(1 << 20);
  for (uint64_t at = 0; at < size; at += zeros.size())
    process.write(address + at, zeros.data(), std::min<uint64_t>(zeros.size(), size - at));
}

// The shadow stacks of a slot; first, or empty, the one that its thread runs on. What makes no sense is left out.
std::vector<OpenFrames> stacks_of(const StoppedProcess& process, uint64_t slot, const records::Header& header) {
  std::vector<OpenFrames> result(1);
  protocol::ThreadContext context{};
  std::vector<records::StackRecord> stacks(header.stacks);
  if (stacks.empty() || !process.read(slot, &context, sizeof context) ||
      !process.read(records::kStackRecordsAt, stacks.data(), stacks.size() * sizeof stacks[0]))
    return result;
  for (const records::StackRecord& stack : stacks) {
    if (stack.owner != slot || stack.state == records::StackState::kFree) continue;
    const bool runs = stack.state == records::StackState::kRunning;
    const OpenFrames open = open_frames(stack, runs ? context.tool_stack : stack.top);
    if (open.count != 0) (runs ? result.front() : result.emplace_back()) = open;
  }
  return result;
}

void restart_frames(StoppedProcess& process, uint64_t slot, const records::Header& header) {
  for (const OpenFrames& open : stacks_of(process, slot, header)) {
    std::vector<records::Frame> frames(open.count);
    const size_t size = frames.size() * sizeof(records::Frame);
    if (open.count == 0 || !process.read(open.start, frames.data(), size)) continue;
    for (records::Frame& frame : frames) frame.ir = 0;
    process.write(open.start, frames.data(), size);
  }
}

// The caches stay as they are.
void zero_simulated(StoppedProcess& process, uint64_t slot, const records::Header& header) {
  namespace cachesim = agent::cachesim;
  write_zeros(process, slot + cachesim::kTotalsOffset, cachesim::kEventCount * sizeof(uint64_t));
  cachesim::InstrRecord last{};
  if (header.lengths == 0 || header.lengths > cachesim::kMaxInstrs ||
      !process.read(cachesim::kInstrsAt + (header.lengths - 1) * sizeof last, &last, sizeof last))
    return;
  std::vector<uint32_t> moved(header.counters);
  if (!moved.empty() && !process.read(records::kMovedAt, moved.data(), moved.size() * sizeof moved[0])) return;
  const uint64_t most = moved.empty() ? 0 : *std::max_element(moved.begin(), moved.end());
  const uint64_t end = uint64_t{last.first_counter} + cachesim::kMostCounters + most;
  write_zeros(process, slot + cachesim::kCountersOffset, 8 * std::min<uint64_t>(end, cachesim::kMaxCounters));
}

void zero_rows(StoppedProcess& process, uint64_t slot, const records::Header& header, uint64_t simulation) {
  const unsigned events = agent::cachesim::simulated_events(simulation).count;
  const uint64_t rows = std::min(std::max(header.edges, header.nodes), records::event_rows(events));
  write_zeros(process, slot + records::kEventRowsOffset, uint64_t{8} * events * rows);
}

template <typename T>
T read_or_zero(const StoppedProcess& process, uint64_t address) {
  T value{};
  return process.read(address, &value, sizeof value) ? value : T{};
}

uint64_t read_ir(const StoppedProcess& process, uint64_t slot) {
  uint64_t ir = 0;
  for (unsigned i = 0; i < records::kAccumulators; ++i)
    ir += read_or_zero<uint64_t>(process, slot + records::kAccumulatorOffset + uint64_t{64} * i);
  return ir;
}

// Executions of blocks without those that were left in their middle.
class EndedBlocks {
 public:
  EndedBlocks(const StoppedProcess& process, uint64_t slot, uint64_t blocks)
      : process_(process), slot_(slot), blocks_(blocks) {}

  uint64_t of(uint32_t block) {
    if (!std::exchange(indexed_, true)) index_parts();
    const auto record =
        read_or_zero<records::BlockRecord>(process_, records::kBlocksAt + sizeof(records::BlockRecord) * block);
    uint64_t left = 0;
    const auto [first, last] = parts_.equal_range(record.lengths);
    for (auto part = first; part != last; ++part) left += executions(part->second);
    const uint64_t all = executions(block);
    return all - std::min(all, left);
  }

 private:
  uint64_t executions(uint32_t index) const {
    return read_or_zero<uint64_t>(process_, slot_ + records::kBlockCountOffset + 8ull * index);
  }
  void index_parts() {
    std::vector<records::BlockRecord> all(blocks_);
    if (all.empty() || !process_.read(records::kBlocksAt, all.data(), all.size() * sizeof all[0])) return;
    for (uint32_t i = 0; i < all.size(); ++i)
      if (all[i].is_part != 0) parts_.emplace(all[i].lengths, i);
  }

  const StoppedProcess& process_;
  const uint64_t slot_, blocks_;
  bool indexed_ = false;
  std::unordered_multimap<uint32_t, uint32_t> parts_;  // index by the block's lengths
};

// By which a frame's function was called; nothing where the records make no sense.
std::optional<std::pair<uint32_t, records::EdgeRecord>> edge_of(const StoppedProcess& process,
                                                                const records::Header& header,
                                                                const records::Frame& frame) {
  uint32_t index = frame.cost;
  if (header.nodes != 0) {
    if (frame.cost >= header.nodes) return {};
    index =
        read_or_zero<records::NodeRecord>(process, records::kNodesAt + sizeof(records::NodeRecord) * frame.cost).edge;
  }
  if (index >= header.edges) return {};
  return std::pair(index,
                   read_or_zero<records::EdgeRecord>(process, records::kEdgesAt + sizeof(records::EdgeRecord) * index));
}

OpenFrame describe(const StoppedProcess& process, uint64_t slot, const records::Header& header,
                   const records::Frame& frame, EndedBlocks& ended) {
  OpenFrame open;
  const auto called_by = edge_of(process, header, frame);
  if (!called_by) return open;
  const auto& [index, edge] = *called_by;
  open.site = edge.site_pc;
  open.callee = edge.callee_pc;
  const auto number = [&](uint32_t table, uint32_t at) {
    return read_or_zero<uint64_t>(process, slot + table + 8ull * at);
  };
  if (header.nodes != 0) {
    open.calls = number(records::kNodeCallsOffset, frame.cost);
    open.inclusive = number(records::kNodeInclusiveOffset, frame.cost);
  } else {
    open.calls = edge.block < header.blocks ? ended.of(edge.block) : number(records::kCallsOffset, index);
    open.inclusive = number(records::kInclusiveOffset, index);
  }
  return open;
}

void read_frames(const StoppedProcess& process, uint64_t slot, const records::Header& header, LiveThread& thread) {
  const OpenFrames open = stacks_of(process, slot, header).front();
  const uint64_t shown = std::min<uint64_t>(open.count, kMostFrames);
  thread.frames_left_out = open.count - shown;
  std::vector<records::Frame> frames(shown);
  const uint64_t first = open.start + (open.count - shown) * sizeof(records::Frame);
  if (shown == 0 || !process.read(first, frames.data(), shown * sizeof(records::Frame))) return;
  std::reverse(frames.begin(), frames.end());
  EndedBlocks ended(process, slot, header.blocks);
  for (const records::Frame& frame : frames) {
    OpenFrame described = describe(process, slot, header, frame, ended);
    described.inclusive += thread.ir - frame.ir;
    thread.frames.push_back(described);
  }
}

}  // namespace

void zero_records(StoppedProcess& process, const cachesim::Simulation& simulation, unsigned thread) {
  records::Header header{};
  if (!read_header(process, header)) return;
  unsigned missing = 0;
  for (unsigned number = 0; number < protocol::kMaxSlots && missing < kMissingSlots; ++number) {
    const uint64_t slot = protocol::kSlotsBase + number * protocol::kSlotSize;
    if (!has_records(process, slot)) {
      ++missing;
      continue;
    }
    missing = 0;
    if (thread != 0 && number + 1 != thread) continue;
    write_zeros(process, slot + records::kAccumulatorOffset, uint64_t{64} * records::kAccumulators);
    write_zeros(process, slot + records::kBlockCountOffset, 8 * std::max(header.blocks, header.counters));
    write_zeros(process, slot + records::kInclusiveOffset, 8 * header.edges);
    write_zeros(process, slot + records::kCallsOffset, 8 * header.edges);
    write_zeros(process, slot + records::kNodeInclusiveOffset, 8 * header.nodes);
    write_zeros(process, slot + records::kNodeCallsOffset, 8 * header.nodes);
    if (uint64_t cuts = 0; process.read(slot + records::kCutCountOffset, &cuts, sizeof cuts) && cuts != 0) {
      write_zeros(process, slot + records::kCutsOffset, sizeof(records::CutRecord) * records::kMaxCuts);
      write_zeros(process, slot + records::kCutCountOffset, sizeof cuts);
    }
    restart_frames(process, slot, header);
    if (simulation.any()) zero_simulated(process, slot, header);
    if (simulation.callgrind && simulation.any()) zero_rows(process, slot, header, simulation.flags());
  }
}

unsigned thread_number(uint64_t slot) {
  return static_cast<unsigned>((slot - protocol::kSlotsBase) / protocol::kSlotSize) + 1;
}

std::vector<UnfinishedFunction> unfinished_functions(const StoppedProcess& process) {
  std::vector<UnfinishedFunction> result;
  records::Header header{};
  if (!read_header(process, header) || header.functions > records::kMaxFunctions) return result;
  std::vector<records::FunctionRecord> functions(header.functions);
  if (functions.empty() ||
      !process.read(records::kFunctionsAt, functions.data(), functions.size() * sizeof functions[0]))
    return result;
  std::set<uint64_t> due;
  for (const records::FunctionRecord& function : functions) {
    if ((function.flags & records::kFunctionDumpsAfter) == 0) continue;
    due.insert(function.pc);
    if ((function.flags & records::kFunctionLeftOpen) != 0) result.push_back({function.pc, 0});
  }
  if (due.empty()) return result;
  for (const ThreadRegisters& thread : process.threads()) {
    if (thread.context == 0 || !has_records(process, thread.context)) continue;
    for (const OpenFrames& open : stacks_of(process, thread.context, header)) {
      std::vector<records::Frame> frames(open.count);
      if (frames.empty() || !process.read(open.start, frames.data(), frames.size() * sizeof frames[0])) continue;
      for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
        if ((frame->sp & records::kFlaggedFrame) == 0) continue;  // an inner call of a recursion, or no such function
        const auto called_by = edge_of(process, header, *frame);
        const uint64_t function = called_by ? called_by->second.callee_pc : 0;
        if (due.contains(function)) result.push_back({function, thread_number(thread.context)});
      }
    }
  }
  return result;
}

std::vector<LiveThread> read_live_threads(const StoppedProcess& process, const cachesim::Simulation& simulation,
                                          bool with_frames) {
  std::vector<LiveThread> result;
  records::Header header{};
  if (!read_header(process, header)) return result;
  for (const ThreadRegisters& registers : process.threads()) {
    if (registers.context == 0 || !has_records(process, registers.context)) continue;
    LiveThread& thread = result.emplace_back();
    thread.number = thread_number(registers.context);
    thread.tid = registers.tid;
    thread.name = registers.name;
    thread.pc = registers.pc;
    thread.ir = read_ir(process, registers.context);
    for (const agent::cachesim::Event event : simulation.events()) {
      const uint64_t at = registers.context + agent::cachesim::kTotalsOffset + 8ull * event;
      thread.events.push_back(event == agent::cachesim::kIr ? thread.ir : read_or_zero<uint64_t>(process, at));
    }
    if (with_frames) read_frames(process, registers.context, header, thread);
  }
  std::sort(result.begin(), result.end(), [](const LiveThread& a, const LiveThread& b) { return a.number < b.number; });
  return result;
}

}  // namespace vsup::supervisor::callgrind
