#include "supervisor/reports/callgrind/record_reader.h"

#include <unordered_map>

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

// What all threads share.
struct Tables {
  records::Header header{};
  std::vector<records::BlockRecord> blocks;
  std::vector<records::EdgeRecord> edges;
  std::vector<records::NodeRecord> nodes;  // a parent comes before its children
  std::vector<records::ContextRecord> contexts;
  std::vector<records::CounterRecord> counters;

  bool has_tree() const { return header.nodes != 0; }
  bool has_contexts() const { return header.counters != 0; }

  bool read(pid_t tid) {
    if (!read_memory(tid, records::kToolBase, &header, sizeof header)) return false;
    return header.blocks <= records::kMaxBlocks && header.edges <= records::kMaxEdges &&
           header.lengths <= records::kMaxLengths && header.nodes <= records::kMaxNodes &&
           header.contexts <= records::kMaxContexts && header.callers <= records::kMaxCallers &&
           header.counters <= records::kMaxBlocks && read_table(tid, records::kBlocksAt, header.blocks, blocks) &&
           read_table(tid, records::kEdgesAt, header.edges, edges) &&
           read_table(tid, records::kNodesAt, header.nodes, nodes) &&
           read_table(tid, records::kContextsAt, header.contexts, contexts) &&
           read_table(tid, records::kCountersAt, header.counters, counters) && makes_sense();
  }

 private:
  bool makes_sense() const {
    for (const records::BlockRecord& block : blocks)
      if (uint64_t{block.lengths} + block.count > header.lengths) return false;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].context >= contexts.size()) return false;
      if (i != 0 && (nodes[i].parent >= i || nodes[i].edge >= edges.size())) return false;
    }
    for (const records::ContextRecord& context : contexts)
      if (uint64_t{context.first_caller} + context.caller_count > header.callers) return false;
    for (const records::CounterRecord& counter : counters)
      if (counter.block >= blocks.size() || counter.context >= contexts.size()) return false;
    return true;
  }
};

// The numbers of one thread.
struct Slot {
  uint64_t ir = 0;
  std::vector<uint64_t> executions;        // by counter or block
  std::vector<uint64_t> inclusive, calls;  // by node or edge
};

// Functions that the thread has not left yet count up to now.
bool add_open_frames(pid_t tid, uint64_t base, Slot& slot) {
  protocol::ThreadContext context{};
  if (!read_memory(tid, base, &context, sizeof context)) return false;
  for (unsigned i = 0; i < records::kAccumulators; ++i) {
    uint64_t part = 0;
    if (!read_memory(tid, base + records::kAccumulatorOffset + 64 * i, &part, sizeof part)) return false;
    slot.ir += part;
  }
  const uint64_t bottom = base + records::kShadowStackOffset + sizeof(records::Frame);
  if (context.tool_stack <= bottom || context.tool_stack > base + records::kShadowStackEnd) return true;
  std::vector<records::Frame> frames;
  if (!read_table(tid, bottom, (context.tool_stack - bottom) / sizeof(records::Frame), frames)) return false;
  for (const records::Frame& frame : frames)
    if (frame.cost < slot.inclusive.size()) slot.inclusive[frame.cost] += slot.ir - frame.ir;
  return true;
}

// Empty when the slot holds nothing of this process.
std::optional<Slot> read_slot(pid_t tid, uint64_t base, const Tables& tables, uint64_t generation) {
  uint64_t slot_generation = 0;
  if (!read_memory(tid, base + records::kGenerationOffset, &slot_generation, sizeof slot_generation) ||
      slot_generation != generation)
    return {};
  Slot slot;
  const bool tree = tables.has_tree();
  const uint64_t executions = tables.has_contexts() ? tables.counters.size() : tables.blocks.size();
  const uint64_t costs = tree ? tables.nodes.size() : tables.edges.size();
  if (!read_table(tid, base + records::kBlockCountOffset, executions, slot.executions) ||
      !read_table(tid, base + (tree ? records::kNodeInclusiveOffset : records::kInclusiveOffset), costs,
                  slot.inclusive) ||
      !read_table(tid, base + (tree ? records::kNodeCallsOffset : records::kCallsOffset), costs, slot.calls) ||
      !add_open_frames(tid, base, slot))
    return {};
  return slot;
}

void add_blocks(const Tables& tables, const Slot& slot, ThreadProfile& thread) {
  for (uint32_t i = 0; i < slot.executions.size(); ++i) {
    if (slot.executions[i] == 0) continue;
    if (tables.has_contexts()) {
      const records::CounterRecord& counter = tables.counters[i];
      thread.blocks.push_back({.shape = counter.block, .context = counter.context, .count = slot.executions[i]});
    } else {
      thread.blocks.push_back({.shape = i, .count = slot.executions[i]});
    }
  }
}

void add_call(const records::EdgeRecord& edge, uint32_t context, uint32_t callee_context, uint64_t count,
              uint64_t inclusive, ThreadProfile& thread) {
  thread.calls.push_back({.site = edge.site_pc,
                          .callee = edge.callee_pc,
                          .context = context,
                          .callee_context = callee_context,
                          .count = count,
                          .first_cost = thread.inclusive.size()});
  thread.inclusive.push_back(inclusive);
}

void add_edges(const Tables& tables, const Slot& slot, ThreadProfile& thread) {
  for (size_t i = 0; i < tables.edges.size(); ++i) {
    const records::EdgeRecord& edge = tables.edges[i];
    if (edge.callee_pc == 0) continue;  // head of an indirect site
    const uint64_t count = edge.block < slot.executions.size() ? slot.executions[edge.block] : slot.calls[i];
    // A call that was made before the last dump and has not returned has a cost only.
    if (count != 0 || slot.inclusive[i] != 0) add_call(edge, 0, 0, count, slot.inclusive[i], thread);
  }
}

// Nodes of one edge between functions in the same contexts are one call.
void add_nodes(const Tables& tables, const Slot& slot, ThreadProfile& thread) {
  std::unordered_map<uint64_t, size_t> known;  // index into thread.calls + 1
  for (size_t i = 1; i < tables.nodes.size(); ++i) {
    const records::NodeRecord& node = tables.nodes[i];
    if (slot.calls[i] == 0 && slot.inclusive[i] == 0) continue;
    const uint32_t from = tables.nodes[node.parent].context;
    const uint64_t key = node.edge | uint64_t{from} << 20 | uint64_t{node.context} << 42;
    static_assert(records::kMaxEdges <= 1u << 20 && records::kMaxContexts <= 1u << 22);
    size_t& index = known[key];
    if (index == 0) {
      add_call(tables.edges[node.edge], from, node.context, 0, 0, thread);
      index = thread.calls.size();
    }
    CallEdge& call = thread.calls[index - 1];
    call.count += slot.calls[i];
    thread.inclusive[call.first_cost] += slot.inclusive[i];
  }
}

// A node's own cost is what its children did not cost.
void add_stacks(const Tables& tables, const Slot& slot, std::vector<StackNode>& stacks) {
  stacks[0].self_cost += slot.ir;
  for (size_t i = 1; i < tables.nodes.size(); ++i) {
    stacks[i].self_cost += slot.inclusive[i];
    stacks[tables.nodes[i].parent].self_cost -= slot.inclusive[i];
  }
}

void start_stacks(const Tables& tables, Profile& profile) {
  profile.stacks.resize(tables.nodes.size());
  if (!tables.blocks.empty()) profile.stacks[0].function = tables.blocks[0].app_pc;
  for (size_t i = 1; i < tables.nodes.size(); ++i) {
    profile.stacks[i].parent = tables.nodes[i].parent;
    profile.stacks[i].function = tables.edges[tables.nodes[i].edge].callee_pc;
  }
}

}  // namespace

std::optional<Profile> read_records(pid_t tid, uint64_t generation) {
  Tables tables;
  Profile profile;
  if (!tables.read(tid) || !read_table(tid, records::kLengthsAt, tables.header.lengths, profile.lengths) ||
      !read_table(tid, records::kCallersAt, tables.header.callers, profile.callers))
    return {};
  profile.shapes.reserve(tables.blocks.size());
  for (const records::BlockRecord& block : tables.blocks)
    profile.shapes.push_back({.pc = block.app_pc, .first_length = block.lengths, .instruction_count = block.count});
  profile.contexts.clear();
  for (const records::ContextRecord& context : tables.contexts)
    profile.contexts.push_back({context.recursion, context.first_caller, context.caller_count});
  if (profile.contexts.empty()) profile.contexts.emplace_back();
  if (tables.has_tree()) start_stacks(tables, profile);
  // Slots are given out from the first on and given back; the ones in use or used before are the first of all.
  unsigned missing = 0;
  for (unsigned number = 0; number < protocol::kMaxSlots && missing < 64; ++number) {
    const auto slot = read_slot(tid, protocol::kSlotsBase + number * protocol::kSlotSize, tables, generation);
    if (!slot) {
      ++missing;
      continue;
    }
    missing = 0;
    ThreadProfile& thread = profile.threads.emplace_back();
    thread.number = number + 1;
    add_blocks(tables, *slot, thread);
    if (tables.has_tree()) {
      add_nodes(tables, *slot, thread);
      add_stacks(tables, *slot, profile.stacks);
    } else {
      add_edges(tables, *slot, thread);
    }
  }
  profile.modules = ModuleMap::of_process(tid).modules();
  return profile;
}

}  // namespace vsup::supervisor::callgrind
