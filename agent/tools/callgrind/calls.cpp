#include "agent/tools/callgrind/calls.h"

#include "agent/base/entry_points.h"
#include "agent/engine/code_cache.h"
#include "agent/engine/instrumenter.h"
#include "agent/tools/callgrind/code_bytes.h"
#include "agent/tools/callgrind/dead_flags.h"
#include "agent/tools/callgrind/event_costs.h"
#include "agent/tools/callgrind/function_starts.h"
#include "agent/tools/callgrind/named.h"
#include "agent/tools/callgrind/plt.h"
#include "agent/tools/callgrind/stacks.h"
#include "agent/tools/callgrind/tables.h"
#include "agent/tools/callgrind/thread_counts.h"
#include "agent/tools/callgrind/tree.h"
#include "agent/x86/decoder.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

constexpr uint64_t kNoMatch = 1;  // EdgeRecord::match_pc where no code lies
constexpr uint32_t kMaxResolvers = 8;
uint64_t resolvers[kMaxResolvers];  // functions of the dynamic linker that unbound table entries lead to

// Notes that the function is entered or left; false when that changes nothing.
bool set_active(const ThreadContext& ctx, const FunctionRecord& function, bool active) {
  const uint32_t number = function.number % kMaxFunctions;
  auto& word = in_slot<uint64_t>(ctx, kActiveOffset)[number / 64];
  const uint64_t bit = uint64_t{1} << number % 64;
  if (((word & bit) != 0) == active) return false;
  word ^= bit;
  return true;
}

void mark_left_open(const FunctionRecord& function) {
  auto* records = reinterpret_cast<FunctionRecord*>(kFunctionsAt);
  records[&function - records].flags |= kFunctionLeftOpen;
}

EdgeRecord* add_edge(uint64_t site, uint64_t callee, uint32_t block, EdgeKind kind = EdgeKind::kCall) {
  Header& records = header();
  if (records.edges == kMaxEdges) {
    ++records.lost_sites;
    return nullptr;
  }
  auto index = static_cast<uint32_t>(records.edges);
  EdgeRecord& edge = reinterpret_cast<EdgeRecord*>(kEdgesAt)[index];
  edge = EdgeRecord{.site_pc = site,
                    .match_pc = callee,
                    .callee_pc = callee,
                    .next = 0,
                    .block = block,
                    .index = index,
                    .blocks = static_cast<uint32_t>(records.blocks),
                    .head = index,
                    .passed = 0,
                    .passed_count = 0,
                    .kind = kind};
  records.edges = index + 1;
  return &edge;
}

// Of the block that is being translated.
uint32_t last_block() {
  return static_cast<uint32_t>(header().blocks) - 1;
}

// The head record of an indirect site. It has its first callee, too, so that most sites find it there.
EdgeRecord* add_head(uint64_t site, EdgeKind kind = EdgeKind::kCall) {
  EdgeRecord* head = add_edge(site, 0, kNoBlock, kind);
  if (head != nullptr) head->match_pc = kNoMatch;
  return head;
}

uint64_t* passed_table() {
  return reinterpret_cast<uint64_t*>(kPassedAt);
}

// The block of a linkage table that calls from the site pass, 0: none.
uint64_t first_passed(const EdgeRecord& edge) {
  return edge.passed_count != 0 ? passed_table()[edge.passed] : 0;
}

// Calls by `edge`, the record that was added last, pass the block of a linkage table at `pc`.
void add_passed(EdgeRecord& edge, uint64_t pc) {
  Header& records = header();
  if (pc == 0 || records.passed == kMaxPassed) return;
  if (edge.passed_count == 0) edge.passed = static_cast<uint32_t>(records.passed) & ((1u << kPassedBits) - 1);
  passed_table()[records.passed++] = pc;
  ++edge.passed_count;
}

// Where a site goes on that the tool has made a call from.
uint32_t continuation(const EdgeRecord& site) {
  return site.block & ~kGoesOn;
}

EdgeRecord* record_at(uint32_t offset) {
  return offset != 0 ? reinterpret_cast<EdgeRecord*>(kToolBase + offset) : nullptr;
}

uint32_t offset_of(const EdgeRecord* edge) {
  return static_cast<uint32_t>(reinterpret_cast<uint64_t>(edge) - kToolBase);
}

uint32_t* bucket_of(const EdgeRecord& head, uint64_t target) {
  return reinterpret_cast<uint32_t*>(kCalleesAt) + callee_bucket(target, head.head);
}

// `target`: where the site's branch leads.
void add_callee(EdgeRecord* head, EdgeRecord* edge, uint64_t target) {
  if (head->match_pc == kNoMatch && edge->match_pc != kNoMatch) {
    head->index = edge->index;
    __atomic_store_n(&head->match_pc, edge->match_pc, __ATOMIC_RELEASE);
    return;
  }
  uint32_t* bucket = bucket_of(*head, target);
  edge->head = head->head;
  edge->next = *bucket;
  __atomic_store_n(bucket, offset_of(edge), __ATOMIC_RELEASE);
}

// One of the bucket's; null: there is none yet.
EdgeRecord* find_callee(const EdgeRecord& head, uint64_t target) {
  EdgeRecord* edge = record_at(*bucket_of(head, target));
  const auto leads_there = [&](const EdgeRecord& one) {
    return one.head == head.head && (one.match_pc == kNoMatch ? one.callee_pc : one.match_pc) == target;
  };
  while (edge != nullptr && !leads_there(*edge)) edge = record_at(edge->next);
  return edge;
}

bool skips_plt() {
  return vsup_settings.tool_options[kOptionSkipPlt] != 0;
}

bool counts_jumps() {
  return vsup_settings.tool_options[kOptionJumps] != 0;
}

bool is_resolver(uint64_t function) {
  for (uint64_t known : resolvers)
    if (known != 0 && known == function) return true;
  return false;
}

void note_resolver(uint64_t function) {
  if (is_resolver(function)) return;
  for (uint64_t& place : resolvers) {
    if (place != 0) continue;
    place = function;
    return;
  }
}

// The function that a linkage table's slot leads to; 0: it is not bound yet, or the tool is to be told of its calls.
uint64_t bound_callee(uint64_t slot) {
  uint64_t callee = 0;
  if (!vsup_safe_copy(&callee, reinterpret_cast<const void*>(slot), sizeof callee)) return 0;
  return unbound_entry(callee).head == 0 && acting_function(callee) == nullptr ? callee : 0;
}

// A call or jump to a known place; `counted` when it is not made each time the block is executed.
void emit_direct(Emitter& out, const CountMode& mode, const Block& block, bool is_call, bool counted,
                 const Source& source) {
  uint64_t target = source.instr.target;
  const PltEntry entry = skips_plt() ? plt_entry(target) : PltEntry{};
  if (entry.slot != 0) {
    const uint64_t callee = bound_callee(entry.slot);
    EdgeRecord* record = callee != 0 ? add_edge(raw(source.pc), callee, kNoBlock) : add_head(raw(source.pc));
    if (record == nullptr) return;
    add_passed(*record, target);
    if (callee == 0) {
      emit_indirect_edge(out, mode, {record, is_call, entry.slot, entry.instructions, {}}, source);
      return;
    }
    const bool dead = !counted && flags_dead_at(block.trusted, target);
    emit_direct_edge(out, mode, {record->index, is_call, true, dead, record, entry.slot, entry.instructions}, source);
    return;
  }
  const bool flagged = acting_function(target) != nullptr;
  EdgeRecord* edge = add_edge(raw(source.pc), target, counted || flagged ? kNoBlock : last_block());
  if (edge == nullptr) return;
  if (flagged) {
    emit_flagged_edge(out, edge, source);
  } else {
    // A conditional jump, which is the one that is counted, has yet to be made.
    emit_direct_edge(out, mode, {edge->index, is_call, counted, !counted && flags_dead_at(block.trusted, target)},
                     source);
  }
}

// Jumps are calls when they lead to the start of another function.
bool leaves_function(const Source& source) {
  uint64_t target = source.instr.target;
  if (skips_plt() && plt_entry(target).slot != 0 && plt_entry(raw(source.pc)).slot == 0) return true;
  const FunctionRange own = function_range(source.pc);
  return (target < own.start || target >= own.end) && function_start(AppPc{target}) == target;
}

// The register of an indirect jump was loaded from an indexed table, or computed, in the same block: a switch.
bool is_switch(const Block& block, uint32_t index) {
  const Instr& jump = block.instructions[index];
  if (jump.mem.present) return jump.mem.index != kNoReg;
  auto reg = static_cast<uint16_t>(1u << ((jump.modrm & 7) | (jump.rex & 1 ? 8 : 0)));
  for (uint32_t i = index; i-- > 0 && block.instructions[i].flow == Flow::kNone;) {
    Effects what;
    effects(block.instructions[i], what);
    if ((what.gpr_written & reg) == 0) continue;
    const Instr& writer = block.instructions[i];
    const bool copies = writer.map == OpMap::kOneByte && (writer.opcode == 0x89 || writer.opcode == 0x8b);
    return writer.mem.present ? writer.mem.index != kNoReg : !copies;
  }
  return false;
}

void emit_indirect_jump(Emitter& out, const CountMode& mode, const Block& block, uint32_t index, const Source& source) {
  if (is_switch(block, index)) {
    EdgeRecord* head = counts_jumps() ? add_head(raw(source.pc), EdgeKind::kJump) : nullptr;
    if (head != nullptr) emit_indirect_edge(out, mode, {head, false, 0, 0, {}, true}, source);
    return;
  }
  // A linkage table's own jumps were told of where the table was called.
  if (skips_plt() && (plt_entry(raw(block.tag)).slot != 0 || plt_head(raw(block.tag)).slot != 0)) {
    if (mode.acts && mode.collect) emit_due_toggle(out, source);
    return;
  }
  const FunctionRange range = function_range(source.pc);
  EdgeRecord* head = add_head(raw(source.pc));
  if (head == nullptr) return;
  if (is_resolver(range.start)) {
    emit_resolved_jump(out, head, source);
    return;
  }
  bool bounded = range.start != 0 && range.end - range.start < 0x8000'0000;
  emit_indirect_edge(out, mode, {head, false, 0, 0, bounded ? range : FunctionRange{}}, source);
}

// Pushes the frame of a function that was called by `edge`, with the thread's Ir at that moment; counts so many calls.
void push_frame(ThreadContext& ctx, const CountMode& mode, const EdgeRecord& edge, uint64_t sp, uint64_t ir,
                uint64_t calls) {
  Frame frame{.sp = sp, .ir = ir, .cost = edge.index, .context = 0, .unused = 0};
  if (mode.tree) {
    const uint32_t cost = top_frame(ctx)->cost;
    uint64_t node = add_node(*top_frame(ctx), edge.index);
    cost_moved(ctx, cost);
    frame.cost = static_cast<uint32_t>(node);
    frame.context = static_cast<uint32_t>(node >> 32);
    in_slot<uint64_t>(ctx, kNodeCallsOffset)[frame.cost] += calls;
  } else {
    in_slot<uint64_t>(ctx, kCallsOffset)[frame.cost] += calls;
  }
  *reinterpret_cast<Frame*>(ctx.tool_stack) = frame;
  if (ctx.tool_stack + sizeof frame >= ctx.tool_stack_end) return;
  ctx.tool_stack += sizeof frame;
  function_entered(ctx);
}

// 1, or 0 while the thread does not collect.
uint64_t counted_once(const ThreadContext& ctx, const CountMode& mode) {
  return mode.collect ? *in_slot<uint64_t>(ctx, kCollectOffset) & 1 : 1;
}

void invert(const ThreadContext& ctx, uint32_t offset) {
  uint64_t& word = *in_slot<uint64_t>(ctx, offset);
  word = ~word;
}

// Counts a call by `edge`, and pushes its frame.
void enter_function(ThreadContext& ctx, const CountMode& mode, const EdgeRecord& edge, uint64_t sp,
                    uint64_t passed_ir) {
  // Of a recursion the outermost activation counts.
  const FunctionRecord* named = acting_function(edge.callee_pc);
  const bool flagged = named != nullptr && set_active(ctx, *named, true);
  const bool toggles = flagged && (named->flags & kFunctionToggles) != 0;
  const uint64_t counts = counted_once(ctx, mode);
  if (flagged) sp |= kFlaggedFrame;
  // A call that has collection switched is collected on one of its sides.
  push_frame(ctx, mode, edge, sp, ir_so_far(ctx) + counts * passed_ir, toggles ? 1 : counts);
  if (!flagged) return;
  if ((named->flags & kFunctionDumpsBefore) != 0)
    ask_supervisor(ctx, kAskDumpBefore, named->pc);
  else if ((named->flags & kFunctionZeroes) != 0)
    ask_supervisor(ctx, kAskZero, named->pc);
  // A table's entry is still its caller's.
  if (toggles) invert(ctx, passed_ir != 0 ? kToggleDueOffset : kCollectOffset);
}

// Of a call that no code in the cache has made; one record for all such calls from the site (0: from nowhere). Null:
// the table is full.
const EdgeRecord* unseen_edge(uint64_t site, uint64_t callee) {
  constexpr uint32_t kChains = 1024;
  static uint32_t chains[kChains];
  uint32_t& chain = chains[((site ^ callee << 7) * 0x9e37'79b9'7f4a'7c15) >> 54];
  EdgeRecord* edge = record_at(chain);
  while (edge != nullptr && (edge->site_pc != site || edge->callee_pc != callee)) edge = record_at(edge->next);
  if (edge != nullptr) return edge;
  edge = add_edge(site, callee, kNoBlock);
  if (edge == nullptr) return nullptr;
  edge->next = chain;
  chain = offset_of(edge);
  return edge;
}

const EdgeRecord& edge_of(const CountMode& mode, const Frame& frame) {
  const uint32_t index = mode.tree ? reinterpret_cast<const NodeRecord*>(kNodesAt)[frame.cost].edge : frame.cost;
  return reinterpret_cast<const EdgeRecord*>(kEdgesAt)[index];
}

// The length of the call instruction at `pc`, 0 when there is none.
uint32_t call_length(uint64_t pc) {
  Instr instr;
  uint8_t code[15];
  const size_t size = read_code(pc, code, sizeof code);
  if (size == 0 || !decode(code, size, pc, instr)) return 0;
  return instr.flow == Flow::kCall || instr.flow == Flow::kCallIndirect ? instr.length : 0;
}

}  // namespace

bool may_pass(const Block& block) {
  const Instr& last = block.instructions[block.count - 1];
  const AppPc pc = advance(block.tag, block.size - last.length);
  return !counts_jumps() &&
         !leaves_function({block.bytes + block.size - last.length, pc, block.size - last.length, last});
}

void emit_calls(Emitter& out, const CountMode& mode, const Block& block, uint32_t index, const Source& source) {
  switch (source.instr.flow) {
    case Flow::kCall:
      emit_direct(out, mode, block, true, false, source);
      return;
    case Flow::kJump:
      if (leaves_function(source)) {
        emit_direct(out, mode, block, false, false, source);
      } else if (counts_jumps()) {
        add_edge(raw(source.pc), source.instr.target, last_block(), EdgeKind::kJump);
      }
      return;
    case Flow::kCondJump:
      if (leaves_function(source)) {
        uint8_t* place = emit_if_taken(out, source);
        emit_direct(out, mode, block, false, true, source);
        end_if_taken(out, place);
      } else if (counts_jumps()) {
        const EdgeRecord* edge =
            add_edge(raw(source.pc), source.instr.target, last_block(), EdgeKind::kConditionalJump);
        if (edge == nullptr) return;
        uint8_t* place = emit_if_taken(out, source);
        emit_jump_count(out, edge->index, source);
        end_if_taken(out, place);
      }
      return;
    case Flow::kJumpIndirect:
      emit_indirect_jump(out, mode, block, index, source);
      return;
    case Flow::kCallIndirect:
      if (EdgeRecord* head = add_head(raw(source.pc))) emit_indirect_edge(out, mode, {head, true, 0, 0, {}}, source);
      return;
    case Flow::kReturn:
      emit_return(out, mode, source);
      return;
    default:
      return;
  }
}

uint32_t callee_met(ThreadContext& ctx, const CountMode& mode, EdgeRecord* head, uint32_t retry) {
  const uint64_t target = ctx.request_argument[0];
  ctx.app_pc = head->site_pc;
  if (head->match_pc == target) return retry;  // another thread has met it meanwhile
  const bool is_jump = head->kind == EdgeKind::kJump;
  const bool is_call = !is_jump && call_length(head->site_pc) != 0;
  if (!is_jump) settle_stack(ctx, mode, false);
  // A jump into the middle of a function goes back to one that has called: longjmp, and what handles exceptions.
  if (!is_jump && !is_call && function_start(AppPc{target}) != target && function_start(AppPc{target}) != 0 &&
      plt_entry(target).slot == 0 && unbound_entry(target).head == 0)
    return continuation(*head);
  const uint64_t sp = ctx.gpr[protocol::kRsp], callee_sp = is_call ? sp - 8 : sp;
  const bool acts = !is_jump && acting_function(target) != nullptr;
  EdgeRecord* edge = find_callee(*head, target);
  if (edge == nullptr) {
    edge = add_edge(head->site_pc, target, kNoBlock, head->kind);
    if (edge == nullptr) return continuation(*head);  // the table is full: not counted
    add_passed(*edge, first_passed(*head));
    if (!is_jump && !acts && skips_plt()) {
      uint64_t leads_to = target;
      // A pointer to a table entry.
      if (const PltEntry entry = plt_entry(target); entry.slot != 0 && head->passed_count == 0) {
        add_passed(*edge, target);
        if (vsup_safe_copy(&leads_to, reinterpret_cast<const void*>(entry.slot), sizeof leads_to))
          edge->callee_pc = leads_to;
      }
      if (const UnboundEntry unbound = unbound_entry(leads_to); unbound.head != 0) {
        // This once: the table will be another. The call is made here.
        note_resolver(unbound.resolver);
        edge->callee_pc = unbound.resolver;
        add_passed(*edge, leads_to);
        add_passed(*edge, unbound.head);
        constexpr uint64_t kPassedIr = 5;
        enter_function(ctx, mode, *edge, callee_sp, kPassedIr);
        return continuation(*head);
      }
    }
    if (acts) edge->match_pc = kNoMatch;  // found here alone, so that the tool is told of each call
    add_callee(head, edge, target);
  }
  if (!acts && (head->match_pc == target || searches_callees(*head))) return retry;
  if (is_jump)
    in_slot<uint64_t>(ctx, kCallsOffset)[edge->index] += counted_once(ctx, mode);
  else
    enter_function(ctx, mode, *edge, callee_sp, plt_entry(first_passed(*head)).instructions);
  return continuation(*head);
}

uint32_t flagged_call(ThreadContext& ctx, const CountMode& mode, const EdgeRecord* edge) {
  ctx.app_pc = edge->site_pc;
  settle_stack(ctx, mode, false);
  const uint64_t sp = ctx.gpr[protocol::kRsp];
  enter_function(ctx, mode, *edge, call_length(edge->site_pc) != 0 ? sp - 8 : sp, 0);
  return continuation(*edge);
}

uint32_t callee_resolved(ThreadContext& ctx, const CountMode& mode, EdgeRecord* head) {
  const uint64_t target = ctx.request_argument[0];
  ctx.app_pc = head->site_pc;
  const Frame resolver = *top_frame(ctx);
  if (frame_sp(resolver) != ctx.gpr[protocol::kRsp]) return continuation(*head);  // not called through a table
  const uint64_t site = edge_of(mode, resolver).site_pc;
  leave_function(ctx, mode);
  if (const EdgeRecord* edge = add_edge(site, target, kNoBlock))
    enter_function(ctx, mode, *edge, frame_sp(resolver), 0);
  return continuation(*head);
}

void enter_from_nowhere(ThreadContext& ctx, const CountMode& mode, uint64_t callee, uint64_t sp) {
  if (const EdgeRecord* edge = unseen_edge(0, callee)) enter_function(ctx, mode, *edge, sp, 0);
}

void enter_open_function(ThreadContext& ctx, const CountMode& mode, uint64_t site, uint64_t callee, uint64_t sp) {
  if (const EdgeRecord* edge = unseen_edge(site, callee)) push_frame(ctx, mode, *edge, sp, ir_so_far(ctx), 0);
}

uint64_t call_before(uint64_t return_pc) {
  // What compilers make most of the time first: e8 rel32, and ff /2 of several lengths.
  constexpr uint32_t kLengths[] = {5, 6, 3, 2, 7, 4, 8, 9};
  for (const uint32_t length : kLengths)
    if (call_length(return_pc - length) == length) return return_pc - length;
  return 0;
}

uint64_t called_function(const CountMode& mode, const Frame& frame) {
  return edge_of(mode, frame).callee_pc;
}

bool return_address_stands(const CountMode& mode, const Frame& frame) {
  const uint64_t site = edge_of(mode, frame).site_pc;
  const uint32_t length = site != 0 ? call_length(site) : 0;
  uint64_t word = 0;
  return length == 0 || !vsup_safe_copy(&word, reinterpret_cast<const void*>(frame_sp(frame)), sizeof word) ||
         word == site + length;
}

void toggle_collection(ThreadContext& ctx) {
  invert(ctx, kCollectOffset);
}

void make_due_toggle(ThreadContext& ctx) {
  if (*in_slot<uint64_t>(ctx, kToggleDueOffset) == 0) return;
  invert(ctx, kToggleDueOffset);
  toggle_collection(ctx);
}

void leave_function(ThreadContext& ctx, const CountMode& mode) {
  const Frame* frame = top_frame(ctx);
  in_slot<uint64_t>(ctx, mode.tree ? kNodeInclusiveOffset : kInclusiveOffset)[frame->cost] +=
      ir_so_far(ctx) - frame->ir;
  function_leaves(ctx);
  ctx.tool_stack -= sizeof *frame;
  if ((frame->sp & kFlaggedFrame) == 0) return;
  const FunctionRecord* named = acting_function(edge_of(mode, *frame).callee_pc);
  if (named == nullptr || !set_active(ctx, *named, false)) return;
  if ((named->flags & kFunctionDumpsAfter) != 0) ask_supervisor(ctx, kAskDumpAfter, named->pc);
  if ((named->flags & kFunctionToggles) != 0) toggle_collection(ctx);
}

void note_unfinished_functions(const ThreadContext& ctx, const CountMode& mode) {
  for (const Frame* frame = top_frame(ctx); frame_sp(*frame) != kBottomSp; --frame) {
    if ((frame->sp & kFlaggedFrame) == 0) continue;
    const FunctionRecord* named = acting_function(edge_of(mode, *frame).callee_pc);
    if (named != nullptr && (named->flags & kFunctionDumpsAfter) != 0) mark_left_open(*named);
  }
}

void forget_unfinished_functions() {
  for (uint64_t i = 0; i < header().functions && i < kMaxFunctions; ++i)
    reinterpret_cast<FunctionRecord*>(kFunctionsAt)[i].flags &= ~uint32_t{kFunctionLeftOpen};
}

}  // namespace vsup::agent::callgrind
