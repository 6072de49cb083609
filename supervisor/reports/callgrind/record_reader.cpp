#include "supervisor/reports/callgrind/record_reader.h"

#include "agent/tools/callgrind/records.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor::callgrind {

namespace {

namespace records = agent::callgrind;

template <typename T>
bool read_table(pid_t tid, uint64_t address, uint64_t count, std::vector<T>& table) {
  table.resize(count);
  return count == 0 || read_memory(tid, address, table.data(), count * sizeof(T));
}

// Functions that the thread has not left yet count up to now.
bool add_open_frames(pid_t tid, uint64_t base, std::vector<uint64_t>& inclusive) {
  protocol::ThreadContext context{};
  if (!read_memory(tid, base, &context, sizeof context)) return false;
  const uint64_t bottom = base + records::kShadowStackOffset + sizeof(records::Frame);
  if (context.tool_stack <= bottom || context.tool_stack > base + records::kShadowStackEnd) return true;
  uint64_t ir = 0;
  for (unsigned i = 0; i < records::kAccumulators; ++i) {
    uint64_t part = 0;
    if (!read_memory(tid, base + records::kAccumulatorOffset + 64 * i, &part, sizeof part)) return false;
    ir += part;
  }
  std::vector<records::Frame> frames;
  if (!read_table(tid, bottom, (context.tool_stack - bottom) / sizeof(records::Frame), frames)) return false;
  for (const records::Frame& frame : frames)
    if (frame.edge < inclusive.size()) inclusive[frame.edge] += ir - frame.ir;
  return true;
}

// The counts of one slot; empty when it holds none of this process.
std::optional<ThreadProfile> read_slot(pid_t tid, unsigned slot, const records::Header& header, uint64_t generation,
                                       const std::vector<records::EdgeRecord>& edges) {
  const uint64_t base = protocol::kSlotsBase + slot * protocol::kSlotSize;
  uint64_t slot_generation = 0;
  if (!read_memory(tid, base + records::kGenerationOffset, &slot_generation, sizeof slot_generation) ||
      slot_generation != generation)
    return {};
  std::vector<uint64_t> executions, inclusive, calls;
  if (!read_table(tid, base + records::kBlockCountOffset, header.blocks, executions) ||
      !read_table(tid, base + records::kInclusiveOffset, header.edges, inclusive) ||
      !read_table(tid, base + records::kCallsOffset, header.edges, calls) || !add_open_frames(tid, base, inclusive))
    return {};
  ThreadProfile thread;
  thread.number = slot + 1;
  for (uint32_t i = 0; i < executions.size(); ++i)
    if (executions[i] != 0) thread.blocks.push_back({.shape = i, .count = executions[i]});
  for (size_t i = 0; i < edges.size(); ++i) {
    const records::EdgeRecord& edge = edges[i];
    if (edge.callee_pc == 0) continue;  // head of an indirect site
    const uint64_t count = edge.block < executions.size() ? executions[edge.block] : calls[i];
    if (count == 0) continue;
    thread.calls.push_back(
        {.site = edge.site_pc, .callee = edge.callee_pc, .count = count, .first_cost = thread.inclusive.size()});
    thread.inclusive.push_back(inclusive[i]);
  }
  return thread;
}

}  // namespace

std::optional<Profile> read_records(pid_t tid, uint64_t generation) {
  records::Header header{};
  if (!read_memory(tid, records::kToolBase, &header, sizeof header)) return {};
  if (header.blocks > records::kMaxBlocks || header.edges > records::kMaxEdges || header.lengths > records::kMaxLengths)
    return {};
  std::vector<records::BlockRecord> blocks;
  std::vector<records::EdgeRecord> edges;
  Profile profile;
  if (!read_table(tid, records::kBlocksAt, header.blocks, blocks) ||
      !read_table(tid, records::kLengthsAt, header.lengths, profile.lengths) ||
      !read_table(tid, records::kEdgesAt, header.edges, edges))
    return {};
  profile.shapes.reserve(blocks.size());
  for (const records::BlockRecord& block : blocks) {
    if (uint64_t{block.lengths} + block.count > header.lengths) return {};
    profile.shapes.push_back({.pc = block.app_pc, .first_length = block.lengths, .instruction_count = block.count});
  }
  // Slots are given out from the first on and given back; the ones in use or used before are the first of all.
  unsigned missing = 0;
  for (unsigned slot = 0; slot < protocol::kMaxSlots && missing < 64; ++slot) {
    if (auto thread = read_slot(tid, slot, header, generation, edges)) {
      profile.threads.push_back(std::move(*thread));
      missing = 0;
    } else {
      ++missing;
    }
  }
  profile.modules = ModuleMap::of_process(tid).modules();
  return profile;
}

}  // namespace vsup::supervisor::callgrind
