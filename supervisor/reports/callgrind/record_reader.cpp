#include "supervisor/reports/callgrind/record_reader.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <utility>

#include "agent/tools/callgrind/records.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/cachesim/event_reader.h"
#include "supervisor/reports/callgrind/cut_blocks.h"
#include "supervisor/reports/callgrind/event_rows.h"
#include "supervisor/reports/callgrind/open_frames.h"

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
  std::vector<std::pair<uint32_t, uint32_t>> parts;  // of blocks: their index and the block's
  std::vector<records::EdgeRecord> edges;
  std::vector<uint64_t> passed;
  std::vector<records::NodeRecord> nodes;  // a parent comes before its children
  std::vector<records::ContextRecord> contexts;
  std::vector<records::CounterRecord> counters;
  std::vector<uint32_t> moved;  // of each counter
  std::vector<records::StackRecord> stacks;

  bool has_tree() const { return header.nodes != 0; }
  std::span<const uint64_t> passed_by(const records::EdgeRecord& edge) const {
    return std::span(passed).subspan(edge.passed, edge.passed_count);
  }
  bool has_contexts() const { return header.counters != 0; }

  bool read(pid_t tid) {
    if (!read_memory(tid, records::kToolBase, &header, sizeof header)) return false;
    return header.blocks <= records::kMaxBlocks && header.edges <= records::kMaxEdges &&
           header.passed <= records::kMaxPassed && header.lengths <= records::kMaxLengths &&
           header.nodes <= records::kMaxNodes && header.contexts <= records::kMaxContexts &&
           header.callers <= records::kMaxCallers && header.counters <= records::kMaxBlocks &&
           header.stacks <= records::kMaxStacks && read_table(tid, records::kStackRecordsAt, header.stacks, stacks) &&
           read_table(tid, records::kBlocksAt, header.blocks, blocks) &&
           read_table(tid, records::kEdgesAt, header.edges, edges) &&
           read_table(tid, records::kPassedAt, header.passed, passed) &&
           read_table(tid, records::kNodesAt, header.nodes, nodes) &&
           read_table(tid, records::kContextsAt, header.contexts, contexts) &&
           read_table(tid, records::kCountersAt, header.counters, counters) &&
           read_table(tid, records::kMovedAt, header.counters, moved) && makes_sense() && find_parts();
  }

 private:
  // Blocks are in the order of their lengths; each part comes behind its block.
  bool find_parts() {
    std::vector<uint32_t> whole;
    for (uint32_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].is_part == 0) {
        whole.push_back(i);
        continue;
      }
      const auto block = std::lower_bound(whole.begin(), whole.end(), blocks[i].lengths,
                                          [&](uint32_t one, uint32_t at) { return blocks[one].lengths < at; });
      if (block == whole.end() || blocks[*block].lengths != blocks[i].lengths) return false;
      parts.emplace_back(i, *block);
    }
    return true;
  }
  bool makes_sense() const {
    for (const records::BlockRecord& block : blocks)
      if (uint64_t{block.lengths} + block.count > header.lengths) return false;
    for (const records::EdgeRecord& edge : edges)
      if (uint64_t{edge.passed} + edge.passed_count > passed.size()) return false;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].context >= contexts.size()) return false;
      if (i != 0 && (nodes[i].parent >= i || nodes[i].edge >= edges.size())) return false;
    }
    for (const records::ContextRecord& context : contexts)
      if (uint64_t{context.first_caller} + context.caller_count > header.callers || context.caller >= contexts.size())
        return false;
    for (const records::CounterRecord& counter : counters)
      if (counter.block >= blocks.size() || counter.context >= contexts.size()) return false;
    return true;
  }
};

// The numbers of one thread.
struct Slot {
  explicit Slot(uint64_t simulation) : rows(simulation) {}

  uint64_t ir = 0;
  std::vector<uint64_t> executions;        // by counter or block
  std::vector<uint64_t> inclusive, calls;  // by node or edge
  std::vector<uint64_t> edge_calls;        // by edge
  std::vector<records::CutRecord> cuts;
  std::vector<uint64_t> ended;  // executions, by block, that came to the block's end; with contexts nothing
  EventRows rows;               // by node or edge
};

// Functions that the thread has not left yet count up to now, on each of its stacks.
bool add_open_frames(pid_t tid, uint64_t base, const Tables& tables, Slot& slot) {
  protocol::ThreadContext context{};
  if (!read_memory(tid, base, &context, sizeof context)) return false;
  for (unsigned i = 0; i < records::kAccumulators; ++i) {
    uint64_t part = 0;
    if (!read_memory(tid, base + records::kAccumulatorOffset + uint64_t{64} * i, &part, sizeof part)) return false;
    slot.ir += part;
  }
  for (const records::StackRecord& stack : tables.stacks) {
    if (stack.owner != base || stack.state == records::StackState::kFree) continue;
    const bool parked = stack.state == records::StackState::kParked;
    const OpenFrames open = open_frames(stack, parked ? stack.top : context.tool_stack);
    std::vector<records::Frame> frames;
    if (!read_table(tid, open.start, open.count, frames)) return false;
    const uint64_t now = parked ? 0 : slot.ir;
    for (const records::Frame& frame : frames)
      if (frame.cost < slot.inclusive.size()) slot.inclusive[frame.cost] += now - frame.ir;
  }
  return true;
}

// Executions of blocks that came to their end, where calls and jumps are, from executions.
void leave_out_cut(const Slot& slot, std::vector<uint64_t>& by_block) {
  for (const records::CutRecord& cut : slot.cuts)
    if (const uint64_t block = cut.place & 0xffff'ffff; cut.kind == records::kCutTail && block < by_block.size())
      by_block[block] -= std::min(by_block[block], cut.count);
}

// Executions of a block contain those that were left in its middle, which are its parts'. Of one that stood in the
// block when the counts became zeros there is no execution: the block's instructions were counted before.
void separate_parts(const Tables& tables, Slot& slot) {
  std::vector<uint64_t> left(tables.blocks.size());  // of each block
  for (const auto& [part, block] : tables.parts) left[block] += slot.executions[part];
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] == 0) continue;
    const uint64_t missing = left[i] - std::min(left[i], slot.executions[i]);
    slot.executions[i] -= left[i] - missing;
    if (missing != 0) slot.cuts.push_back({i, missing, records::kCutTail, 0});
  }
}

// Empty when the slot holds nothing of this process.
std::optional<Slot> read_slot(pid_t tid, uint64_t base, const Tables& tables, uint64_t generation,
                              uint64_t simulation) {
  uint64_t slot_generation = 0;
  if (!read_memory(tid, base + records::kGenerationOffset, &slot_generation, sizeof slot_generation) ||
      slot_generation != generation)
    return {};
  Slot slot(simulation);
  const bool tree = tables.has_tree();
  const uint64_t executions = tables.has_contexts() ? tables.counters.size() : tables.blocks.size();
  const uint64_t costs = tree ? tables.nodes.size() : tables.edges.size();
  if (!read_table(tid, base + records::kBlockCountOffset, executions, slot.executions) ||
      !read_table(tid, base + (tree ? records::kNodeInclusiveOffset : records::kInclusiveOffset), costs,
                  slot.inclusive) ||
      !read_table(tid, base + (tree ? records::kNodeCallsOffset : records::kCallsOffset), costs, slot.calls) ||
      !read_table(tid, base + records::kCallsOffset, tables.edges.size(), slot.edge_calls) ||
      !add_open_frames(tid, base, tables, slot) || !slot.rows.read(tid, base, costs, tables.stacks))
    return {};
  slot.cuts = read_cuts(tid, base);
  if (!tables.has_contexts()) {
    separate_parts(tables, slot);
    slot.ended = slot.executions;
    leave_out_cut(slot, slot.ended);
  }
  return slot;
}

void add_blocks(const Tables& tables, const Slot& slot, ThreadProfile& thread) {
  const auto never = std::count(slot.executions.begin(), slot.executions.end(), uint64_t{0});
  thread.blocks.reserve(slot.executions.size() - static_cast<size_t>(never));
  for (uint32_t i = 0; i < slot.executions.size(); ++i) {
    if (slot.executions[i] == 0) continue;
    if (tables.has_contexts()) {
      const records::CounterRecord& counter = tables.counters[i];
      thread.blocks.push_back({.shape = counter.block,
                               .context = counter.context,
                               .count = slot.executions[i],
                               .counters_moved = tables.moved[i]});
    } else {
      thread.blocks.push_back({.shape = i, .count = slot.executions[i]});
    }
  }
}

// What blocks of procedure linkage tables cost counts where they were called from.
class PassedBlocks {
 public:
  PassedBlocks(const Tables& tables, size_t events, ThreadProfile& thread)
      : tables_(tables), events_(events), thread_(thread) {}

  // `inclusive` is the cost of the edge's calls: all events but Ir, which the agent keeps so, contain what was passed.
  void move_cost(const records::EdgeRecord& edge, uint32_t context, uint64_t count, uint64_t* inclusive) {
    if (count == 0) return;
    for (const uint64_t pc : tables_.passed_by(edge)) {
      if (!std::exchange(indexed_, true)) index_blocks();
      const auto found = by_pc_.find(pc);
      if (found == by_pc_.end()) continue;
      uint64_t wanted = count;
      for (const uint32_t index : found->second) {
        BlockCount& block = thread_.blocks[index];
        const uint64_t part = std::min(wanted, block.count);
        if (part != 0) move_events(block, part, edge.site_pc, context, inclusive);
        block.count -= part;
        wanted -= part;
      }
      const uint64_t length = tables_.blocks[thread_.blocks[found->second.front()].shape].count;
      const uint64_t moved = (count - wanted) * length;
      if (moved != 0) thread_.extra.push_back({edge.site_pc, context, 0, static_cast<int64_t>(moved)});
    }
  }

 private:
  // Of what all executions of the block cost, those that were passed have their share.
  void move_events(const BlockCount& block, uint64_t part, uint64_t site, uint32_t context, uint64_t* inclusive) {
    if (block.first_simulated == BlockCount::kNotSimulated) return;
    uint64_t* cost = thread_.simulated.data() + block.first_simulated;
    for (uint32_t i = 0; i < tables_.blocks[block.shape].count; ++i) {
      for (uint32_t event = 1; event < events_; ++event, ++cost) {
        const auto moved = static_cast<uint64_t>(static_cast<unsigned __int128>(*cost) * part / block.count);
        if (moved == 0) continue;
        *cost -= moved;
        inclusive[event] -= std::min(inclusive[event], moved);
        thread_.extra.push_back({site, context, event, static_cast<int64_t>(moved)});
      }
    }
  }
  // Those that anybody passes: few of all there are, most of which a bit for each hash tells.
  void index_blocks() {
    constexpr size_t kBits = 1 << 18;
    std::vector<bool> may_be_passed(kBits);
    const auto bit_of = [](uint64_t pc) { return (pc * 0x9e37'79b9'7f4a'7c15) >> 46; };
    static_assert(kBits == 1 << (64 - 46));
    for (const uint64_t pc : tables_.passed) {
      by_pc_[pc];
      may_be_passed[bit_of(pc)] = true;
    }
    for (uint32_t i = 0; i < thread_.blocks.size(); ++i) {
      const uint64_t pc = tables_.blocks[thread_.blocks[i].shape].app_pc;
      if (!may_be_passed[bit_of(pc)]) continue;
      if (const auto found = by_pc_.find(pc); found != by_pc_.end()) found->second.push_back(i);
    }
    std::erase_if(by_pc_, [](const auto& passed) { return passed.second.empty(); });
  }

  const Tables& tables_;
  const size_t events_;
  ThreadProfile& thread_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> by_pc_;
  bool indexed_ = false;
};

// Costs in all events come from 0.
void add_call(const records::EdgeRecord& edge, uint32_t context, uint32_t callee_context, uint64_t count, size_t events,
              ThreadProfile& thread) {
  thread.calls.push_back({.site = edge.site_pc,
                          .callee = edge.callee_pc,
                          .context = context,
                          .callee_context = callee_context,
                          .count = count,
                          .first_cost = thread.inclusive.size()});
  thread.inclusive.resize(thread.inclusive.size() + events);
}

void add_inclusive(const Slot& slot, size_t index, uint64_t* inclusive) {
  *inclusive++ += slot.inclusive[index];
  for (const uint64_t cost : slot.rows.row(index)) *inclusive++ += cost;
}

void add_edges(const Tables& tables, const Slot& slot, size_t events, ThreadProfile& thread) {
  PassedBlocks passed(tables, events, thread);
  thread.calls.reserve(tables.edges.size() / 2);
  thread.inclusive.reserve(tables.edges.size() / 2 * events);
  for (size_t i = 0; i < tables.edges.size(); ++i) {
    const records::EdgeRecord& edge = tables.edges[i];
    if (edge.callee_pc == 0 || edge.site_pc == 0) continue;  // head of an indirect site; called by nobody
    if (edge.kind != records::EdgeKind::kCall) continue;
    const uint64_t count = edge.block < slot.ended.size() ? slot.ended[edge.block] : slot.calls[i];
    // A call that was made before the last dump and has not returned has a cost only.
    if (count == 0 && slot.inclusive[i] == 0) continue;
    add_call(edge, 0, 0, count, events, thread);
    uint64_t* inclusive = thread.inclusive.data() + thread.calls.back().first_cost;
    add_inclusive(slot, i, inclusive);
    passed.move_cost(edge, 0, count, inclusive);
  }
}

// Nodes of one edge between functions in the same contexts are one call.
void add_nodes(const Tables& tables, const Slot& slot, size_t events, ThreadProfile& thread) {
  PassedBlocks passed(tables, events, thread);
  std::unordered_map<uint64_t, size_t> known;  // index into thread.calls + 1
  for (size_t i = 1; i < tables.nodes.size(); ++i) {
    const records::NodeRecord& node = tables.nodes[i];
    if ((slot.calls[i] == 0 && slot.inclusive[i] == 0) || tables.edges[node.edge].site_pc == 0) continue;
    const uint32_t from = tables.nodes[node.parent].context;
    if (tables.contexts[node.context].site != 0) {
      std::vector<uint64_t> nobody(events);
      passed.move_cost(tables.edges[node.edge], from, slot.calls[i], nobody.data());
      continue;
    }
    const uint64_t key = node.edge | uint64_t{from} << 20 | uint64_t{node.context} << 42;
    static_assert(records::kMaxEdges <= 1u << 20 && records::kMaxContexts <= 1u << 22);
    size_t& index = known[key];
    if (index == 0) {
      add_call(tables.edges[node.edge], from, node.context, 0, events, thread);
      index = thread.calls.size();
      // What a skipped function calls its caller calls.
      if (const records::ContextRecord& skipped = tables.contexts[from]; skipped.site != 0) {
        thread.calls.back().site = skipped.site;
        thread.calls.back().context = skipped.caller;
      }
    }
    CallEdge& call = thread.calls[index - 1];
    call.count += slot.calls[i];
    uint64_t* inclusive = thread.inclusive.data() + call.first_cost;
    add_inclusive(slot, i, inclusive);
    passed.move_cost(tables.edges[node.edge], from, slot.calls[i], inclusive);
  }
}

// Costs of skipped functions become costs of the calls that led to them.
void move_skipped(const Tables& tables, const Profile& profile, ThreadProfile& thread) {
  if (!tables.has_contexts()) return;
  const uint64_t event_count = profile.events.size();
  std::unordered_map<uint32_t, std::vector<uint64_t>> costs;  // by context
  const auto skips = [&](uint32_t context) {
    return context < tables.contexts.size() && tables.contexts[context].site != 0;
  };
  const auto costs_in = [&](uint32_t context) -> std::vector<uint64_t>& {
    std::vector<uint64_t>& found = costs[context];
    found.resize(event_count);
    return found;
  };
  for (const BlockCount& block : thread.blocks) {
    if (!skips(block.context)) continue;
    std::vector<uint64_t>& cost = costs_in(block.context);
    const uint64_t instructions = profile.shapes[block.shape].instruction_count;
    cost[0] += block.count * instructions;
    if (block.first_simulated == BlockCount::kNotSimulated) continue;
    const uint64_t* simulated = thread.simulated.data() + block.first_simulated;
    for (uint64_t i = 0; i < instructions * (event_count - 1); ++i) cost[1 + i % (event_count - 1)] += simulated[i];
  }
  std::erase_if(thread.blocks, [&](const BlockCount& block) { return skips(block.context); });
  std::erase_if(thread.jumps, [&](const JumpEdge& jump) { return skips(jump.context); });
  for (ExtraCost& extra : thread.extra) {
    if (!skips(extra.context)) continue;
    extra.pc = tables.contexts[extra.context].site;
    extra.context = tables.contexts[extra.context].caller;
  }
  for (const auto& [context, cost] : costs) {
    const records::ContextRecord& skipped = tables.contexts[context];
    for (uint32_t event = 0; event < event_count; ++event)
      if (cost[event] != 0)
        thread.extra.push_back({skipped.site, skipped.caller, event, static_cast<int64_t>(cost[event])});
  }
}

// What cut blocks have counted without executing it, and the other way round.
void add_cuts(const Tables& tables, const Slot& slot, const Profile& profile, const cachesim::EventReader& events,
              ThreadProfile& thread) {
  for (const records::CutRecord& cut : slot.cuts) {
    const uint32_t context = cut.context < profile.contexts.size() ? cut.context : 0;
    const auto count = static_cast<int64_t>(cut.kind == records::kCutHead ? cut.count : 0 - cut.count);
    if (cut.kind == records::kCutOne) {
      thread.extra.push_back({cut.place, context, 0, count});
      continue;
    }
    const uint64_t block = cut.place & 0xffff'ffff, executed = cut.place >> 32;
    if (block >= tables.blocks.size()) continue;
    const records::BlockRecord& shape = tables.blocks[block];
    uint64_t pc = shape.app_pc;
    for (uint64_t i = 0; i < shape.count; pc += profile.lengths[shape.lengths + i++])
      if ((i < executed) == (cut.kind == records::kCutHead))
        events.add_execution(pc, context, shape.lengths + i, count, thread);
  }
}

void add_jumps(const Tables& tables, const Slot& slot, ThreadProfile& thread) {
  std::vector<uint64_t> by_block;
  if (tables.has_contexts()) {
    by_block.resize(tables.blocks.size());
    for (size_t i = 0; i < tables.counters.size(); ++i) by_block[tables.counters[i].block] += slot.executions[i];
    leave_out_cut(slot, by_block);
  }
  const std::vector<uint64_t>& executions = tables.has_contexts() ? by_block : slot.ended;
  for (size_t i = 0; i < tables.edges.size(); ++i) {
    const records::EdgeRecord& edge = tables.edges[i];
    if (edge.kind == records::EdgeKind::kCall || edge.callee_pc == 0) continue;
    JumpEdge jump{.from = edge.site_pc, .to = edge.callee_pc};
    jump.conditional = edge.kind == records::EdgeKind::kConditionalJump;
    jump.executed = edge.block < executions.size() ? executions[edge.block] : slot.edge_calls[i];
    jump.followed = jump.conditional ? std::min(slot.edge_calls[i], jump.executed) : jump.executed;
    if (jump.followed != 0) thread.jumps.push_back(jump);
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
    const records::EdgeRecord& edge = tables.edges[tables.nodes[i].edge];
    // What nobody calls is no callee of the function that was instrumented first.
    const bool begins = tables.nodes[i].parent == 0 && edge.site_pc == 0;
    profile.stacks[i].parent = begins ? StackNode::kRoot : tables.nodes[i].parent;
    profile.stacks[i].function = edge.callee_pc;
  }
}

}  // namespace

Profile empty_profile(const cachesim::Simulation& simulation) {
  Profile profile;
  profile.events = cachesim::EventReader(simulation, true).names();
  profile.process.descriptions = simulation.descriptions();
  profile.process.explanations = simulation.explanations();
  return profile;
}

std::optional<Profile> read_records(pid_t tid, uint64_t generation, const cachesim::Simulation& simulation,
                                    const CodePeriods& periods, bool end, unsigned only) {
  Tables tables;
  Profile profile = empty_profile(simulation);
  if (!tables.read(tid) || !read_table(tid, records::kLengthsAt, tables.header.lengths, profile.lengths) ||
      !read_table(tid, records::kCallersAt, tables.header.callers, profile.callers))
    return {};
  profile.lost_blocks = tables.header.lost_blocks;
  profile.lost_sites = tables.header.lost_sites;
  profile.modules = ModuleMap::of_process(tid).modules();
  periods.apply(tables.blocks, tables.edges, tables.passed, profile.modules);
  profile.shapes.reserve(tables.blocks.size());
  for (const records::BlockRecord& block : tables.blocks)
    profile.shapes.push_back({.pc = block.app_pc,
                              .first_length = block.lengths,
                              .instruction_count = block.count,
                              .basic_blocks = block.passed + 1u});
  profile.contexts.clear();
  for (const records::ContextRecord& context : tables.contexts)
    profile.contexts.push_back({context.recursion, context.first_caller, context.caller_count, context.function});
  if (profile.contexts.empty()) profile.contexts.emplace_back();
  if (tables.has_tree()) start_stacks(tables, profile);
  cachesim::EventReader events(simulation, end);
  if (simulation.any() && !events.read_instrs(tid, tables.header.lengths, tables.moved)) return {};
  // Slots are given out from the first on and given back; the ones in use or used before are the first of all.
  unsigned missing = 0;
  for (unsigned number = 0; number < protocol::kMaxSlots && missing < 64; ++number) {
    const auto slot = read_slot(tid, protocol::kSlotsBase + number * protocol::kSlotSize, tables, generation,
                                simulation.callgrind ? simulation.flags() : 0);
    if (!slot) {
      ++missing;
      continue;
    }
    missing = 0;
    if (only != 0 && number + 1 != only) continue;
    ThreadProfile& thread = profile.threads.emplace_back();
    thread.number = number + 1;
    add_blocks(tables, *slot, thread);
    add_jumps(tables, *slot, thread);
    const uint64_t base = protocol::kSlotsBase + number * protocol::kSlotSize;
    if (simulation.any() && !events.read_thread(tid, base, profile, thread)) return {};
    if (tables.has_tree()) {
      add_nodes(tables, *slot, profile.events.size(), thread);
      add_stacks(tables, *slot, profile.stacks);
    } else {
      add_edges(tables, *slot, profile.events.size(), thread);
    }
    add_cuts(tables, *slot, profile, events, thread);
    move_skipped(tables, profile, thread);
  }
  return profile;
}

}  // namespace vsup::supervisor::callgrind
