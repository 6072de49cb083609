#include "agent/tools/callgrind/call_code.h"

#include <stddef.h>

#include "agent/engine/link.h"
#include "agent/tools/callgrind/call_exits.h"
#include "agent/tools/callgrind/event_costs.h"
#include "agent/x86/decoder.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;

// reg = the thread's Ir so far; changes the flags.
void load_ir(Emitter& out, GprIndex reg) {
  out.gs_absolute(0x8b, reg, accumulator_offset(0));
  for (unsigned i = 1; i < kAccumulators; ++i) out.gs_absolute(0x03, reg, accumulator_offset(i));
}

// What a frame's cost is counted for: a constant, or what rdx holds.
void store_cost(Emitter& out, const uint32_t* edge) {
  if (edge != nullptr) {
    out.bytes({0x48, 0xc7, 0x41, 0x10});  // mov qword [rcx + 16], imm32
    out.u32(*edge);
  } else {
    out.bytes({0x48, 0x89, 0x51, 0x10});  // mov [rcx + 16], rdx
  }
}

// Pushes a frame on the shadow stack, whose function begins after `passed_ir` further instructions. rcx is the stack's
// top. Uses rax, rcx and the flags.
void push_frame(Emitter& out, const CountMode& mode, const uint32_t* edge, bool is_call, uint32_t passed_ir = 0) {
  if (is_call) {
    out.bytes({0x48, 0x8d, 0x44, 0x24, 0xf8});  // lea rax, [rsp - 8]
  } else {
    out.bytes({0x48, 0x89, 0xe0});  // mov rax, rsp
  }
  out.bytes({0x48, 0x89, 0x01});  // mov [rcx], rax
  load_ir(out, kRax);
  if (passed_ir != 0) {
    if (mode.collect) {  // cmp qword gs:[collect], 0 ; je over what follows
      out.bytes({0x65, 0x48, 0x83, 0x3c, 0x25});
      out.u32(kCollectOffset);
      out.bytes({0x00, 0x74, 0x04});
    }
    out.bytes({0x48, 0x83, 0xc0, static_cast<uint8_t>(passed_ir)});  // add rax, imm8
  }
  out.bytes({0x48, 0x89, 0x41, 0x08});  // mov [rcx + 8], rax
  store_cost(out, edge);
  // When the stack is full its last slot is written again and again, and its frames get no inclusive cost.
  out.bytes({0x48, 0x8d, 0x49, 0x20});                   // lea rcx, [rcx + 32]
  out.gs_absolute(0x3b, kRcx, VSUP_CTX_TOOL_STACK_END);  // cmp
  out.bytes({0x73, 0});                                  // jae over what follows
  uint8_t* pushed = out.here();
  out.gs_absolute(0x89, kRcx, VSUP_CTX_TOOL_STACK);
  if (mode.events) out.step_call(&vsup_function_entered);
  pushed[-1] = static_cast<uint8_t>(out.here() - pushed);
}

// rdx = the address of the entry for the pair of ecx and a constant, or of rcx and edx, in the table; rax = its key.
// Returns the rel32 of the jump that is taken when there is none. Uses the flags.
uint8_t* emit_lookup(Emitter& out, uint64_t table, const uint32_t* second) {
  if (second != nullptr) {
    out.load_constant(kRax, (uint64_t{*second} + 1) << 32);
    out.bytes({0x48, 0x09, 0xc8, 0x69, 0xc9});  // or rax, rcx ; imul ecx, ecx, imm32
    out.u32(kLookupFactorFirst);
    out.bytes({0x81, 0xc1});  // add ecx, imm32
    out.u32((*second + 1) * kLookupFactorSecond);
  } else {
    // inc edx ; mov eax, edx ; shl rax, 32 ; or rax, rcx ; imul ecx, ecx, imm32
    out.bytes({0xff, 0xc2, 0x89, 0xd0, 0x48, 0xc1, 0xe0, 0x20, 0x48, 0x09, 0xc8, 0x69, 0xc9});
    out.u32(kLookupFactorFirst);
    out.bytes({0x69, 0xd2});  // imul edx, edx, imm32
    out.u32(kLookupFactorSecond);
    out.bytes({0x01, 0xd1});  // add ecx, edx
  }
  out.bytes({0xc1, 0xe9, 32 - kLookupBits});  // shr ecx, imm8
  out.bytes({0x48, 0xc1, 0xe1, 0x04});        // shl rcx, 4
  out.load_constant(kRdx, table);
  out.bytes({0x48, 0x01, 0xca});  // add rdx, rcx
  const uint8_t* probe = out.here();
  // cmp [rdx], rax ; je over what follows ; cmp qword [rdx], 0 ; je rel32 ; add rdx, 16 ; jmp probe
  out.bytes({0x48, 0x39, 0x02, 0x74, 16, 0x48, 0x83, 0x3a, 0x00, 0x0f, 0x84});
  uint8_t* to_miss = out.place_rel32();
  out.bytes({0x48, 0x83, 0xc2, 0x10, 0xeb});
  out.byte(static_cast<uint8_t>(probe - (out.here() + 1)));
  return to_miss;
}

// The code at the site goes on here when the tool has made the call.
void note_continuation(const Emitter& out, EdgeRecord* record) {
  record->block = kGoesOn | cache_offset(out.here());
}

// reg = 1, or 0 while the thread does not collect; changes the flags.
void load_collecting(Emitter& out, GprIndex reg) {
  out.gs_absolute(0x8b, reg, kCollectOffset);
  out.bytes({0x83, static_cast<uint8_t>(0xe0 | reg), 0x01});  // and r32, 1
}

// Adds what load_collecting() gives to gs:[offset]; `scratch` and the flags are free.
void emit_increment(Emitter& out, const CountMode& mode, uint32_t offset, GprIndex scratch) {
  if (!mode.collect) {
    out.add_to(offset, 1);
    return;
  }
  load_collecting(out, scratch);
  out.gs_absolute(0x01, scratch, offset);
}

// Likewise to gs:[reg * 8 + offset].
void emit_increment_of(Emitter& out, const CountMode& mode, GprIndex reg, uint32_t offset, GprIndex scratch) {
  uint8_t opcode = 0xff;
  uint8_t operand = 0;
  if (mode.collect) {
    load_collecting(out, scratch);
    opcode = 0x01;
    operand = scratch;
  }
  out.bytes({0x65, 0x48, opcode, static_cast<uint8_t>(0x04 | operand << 3), static_cast<uint8_t>(0xc5 | reg << 3)});
  out.u32(offset);
}

// rcx = the top of the shadow stack; a jump, whose rel32 is returned, when its topmost function was left by a jump.
uint8_t* emit_top_unless_stale(Emitter& out) {
  out.gs_absolute(0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  out.bytes({0x48, 0x39, 0x61, 0xe0, 0x0f, 0x82});  // cmp [rcx - 32], rsp ; jb rel32
  return out.place_rel32();
}

// Calls from the topmost frame's node, rcx being the top, by an edge, a constant or edx: counts, and leaves the
// callee's node and context in rdx and the top again in rcx. Returns the rel32 of the jump to the miss.
uint8_t* emit_node_call(Emitter& out, const CountMode& mode, const uint32_t* edge) {
  out.bytes({0x8b, 0x49, 0xf0});  // mov ecx, [rcx - 16]
  uint8_t* to_miss = emit_lookup(out, kNodeLookupAt, edge);
  out.bytes({0x48, 0x8b, 0x52, 0x08, 0x89, 0xd0});  // mov rdx, [rdx + 8] ; mov eax, edx
  emit_increment_of(out, mode, kRax, kNodeCallsOffset, kRcx);
  out.gs_absolute(0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  return to_miss;
}

void add_totals(Emitter& out, const CountedBlock& block) {
  for (unsigned i = 0; i < block.totals.count; ++i)
    out.add_to(block.totals.entries[i].offset, block.totals.entries[i].amount);
}

// An execution of a block counts where the context of the topmost frame says.
void emit_count_in_context(Emitter& out, const CountMode& mode, const CountedBlock& block, uint32_t offset) {
  const uint8_t* retry = out.here();
  borrow(out, offset);
  out.save_flags();
  out.gs_absolute(0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  out.bytes({0x8b, 0x49, 0xf4});  // mov ecx, [rcx - 12]
  uint8_t* to_miss = emit_lookup(out, kCounterLookupAt, &block.index);
  out.bytes({0x8b, 0x52, 0x08});              // mov edx, [rdx + 8]
  out.bytes({0x65, 0x48, 0xff, 0x04, 0xd5});  // inc gs:[rdx * 8 + counts]
  out.u32(kBlockCountOffset);
  out.count_to(offset, protocol::StateKind::kStepCounting);
  if (mode.events) {
    out.load_constant(kRax, kMovedAt);
    out.bytes({0x8b, 0x04, 0x90});  // mov eax, [rax + rdx * 4]
    out.gs_absolute(0x89, kRax, kMovedOffset);
  }
  out.add_to(accumulator_offset(block.index), block.instructions);
  add_totals(out, block);
  restore_borrowed(out);
  emit_miss(to_miss, cookie_of(kExitNewCounter, AppPc{block.pc}), Door::kKey, retry);
  out.cover(offset, {.step = true});
}

void emit_plain_count(Emitter& out, const CountedBlock& block, const Source& source) {
  const uint32_t count = kBlockCountOffset + 8 * block.index;
  const uint32_t ir = accumulator_offset(block.index);
  if (block.flags_dead) {
    out.add_to(count, 1);
    out.count_to(source.offset, protocol::StateKind::kStepCounting);
    out.add_to(ir, block.instructions);
    add_totals(out, block);
    out.cover(source.offset, {.step = true});
    return;
  }
  out.spill(kRcx);
  out.cover(source.offset);
  out.add_keeping_flags(count, 1, kRcx);
  out.count_to(source.offset, protocol::StateKind::kStepCounting);
  out.add_keeping_flags(ir, block.instructions, kRcx);
  for (unsigned i = 0; i < block.totals.count; ++i)
    out.add_keeping_flags(block.totals.entries[i].offset, block.totals.entries[i].amount, kRcx);
  out.unspill(kRcx);
  out.cover(source.offset, {.step = true});
}

// A jump, whose rel32 is returned, unless rcx is 0; keeps the flags.
uint8_t* emit_unless_zero(Emitter& out) {
  out.jrcxz(5);
  out.byte(0xe9);
  return out.place_rel32();
}

// Counts the block down; when nothing is left the tool is told.
void emit_budget(Emitter& out, uint64_t pc, const Source& source) {
  out.spill(kRcx);
  out.cover(source.offset);
  out.gs_absolute(0x8b, kRcx, kBudgetOffset);
  out.bytes({0x48, 0x8d, 0x49, 0xff});  // lea rcx, [rcx - 1]
  out.gs_absolute(0x89, kRcx, kBudgetOffset);
  uint8_t* to_rest = emit_unless_zero(out);
  ColdToolExit due;
  due.out.unspill(kRcx);
  out.byte(0xe9);
  uint8_t* to_due = out.place_rel32();
  out.land_here(to_rest);
  out.unspill(kRcx);
  Emitter::land(to_due, due.finish(cookie_of(kExitBudget, AppPc{pc}), out.here()));
  out.cover(source.offset, {.step = true});
}

}  // namespace

void emit_count(Emitter& out, const CountMode& mode, const CountedBlock& block, const Source& source) {
  uint8_t* over = nullptr;
  if (mode.collect) {
    // spill rcx ; mov rcx, gs:[collect] ; jrcxz over the jump ; jmp counts ; unspill rcx ; jmp over ; counts: unspill
    // rcx
    out.spill(kRcx);
    out.gs_absolute(0x8b, kRcx, kCollectOffset);
    uint8_t* to_count = emit_unless_zero(out);
    out.unspill(kRcx);
    out.byte(0xe9);
    over = out.place_rel32();
    out.land_here(to_count);
    out.unspill(kRcx);
    out.cover(source.offset, {.step = true});
  }
  if (mode.contexts) {
    emit_count_in_context(out, mode, block, source.offset);
  } else {
    emit_plain_count(out, block, source);
  }
  out.set_kind(protocol::StateKind::kExact);
  if (over != nullptr) out.land_here(over);
  if (mode.budget) emit_budget(out, block.pc, source);
}

void emit_flagged_edge(Emitter& out, EdgeRecord* edge, const Source& source) {
  emit_tool_exit(out, reinterpret_cast<uint64_t>(edge) | kExitFlagged, out.here());
  note_continuation(out, edge);
  out.cover(source.offset, {.step = true});
}

void emit_jump_count(Emitter& out, uint32_t edge, const Source& source) {
  out.spill(kRcx);
  out.cover(source.offset);
  out.add_keeping_flags(kCallsOffset + 8 * edge, 1, kRcx);
  out.unspill(kRcx);
  out.cover(source.offset, {.step = true});
}

namespace {

// rcx = where the branch leads; the registers are spilled.
void load_callee(Emitter& out, uint64_t slot, const Source& source) {
  if (slot == 0) {
    emit_load_target(out, source);
    return;
  }
  out.load_constant(kRcx, slot);
  out.cover(source.offset, {.spilled = 1u << kRcx});
  out.load_displaced(kRcx, kRcx, 0);
  out.cover(source.offset, {.spilled = 1u << kRcx});
}

// A jump, whose rel32 is returned, when the slot leads to another callee than the record's; keeps flags that live.
uint8_t* emit_unless_bound(Emitter& out, const DirectEdge& edge, const Source& source) {
  load_callee(out, edge.slot, source);
  out.load_constant(kRax, 0 - edge.slot_record->match_pc);
  if (edge.flags_dead) {
    out.bytes({0x48, 0x01, 0xc1, 0x0f, 0x85});  // add rcx, rax ; jne rel32
    return out.place_rel32();
  }
  out.add_without_flags(kRcx, kRax);
  return emit_unless_zero(out);
}

}  // namespace

void emit_direct_edge(Emitter& out, const CountMode& mode, const DirectEdge& edge, const Source& source) {
  const uint8_t* retry = out.here();
  const Borrowed borrowed{.rdx = mode.tree, .flags = !edge.flags_dead};
  borrow(out, source.offset, borrowed);
  if (edge.slot_record != nullptr) {
    const uint64_t cookie = reinterpret_cast<uint64_t>(edge.slot_record) | kExitNewCallee;
    emit_miss(emit_unless_bound(out, edge, source), cookie, Door::kDifference, retry,
              {.rdx = borrowed.rdx, .flags = false});
  }
  if (borrowed.flags) out.save_flags();
  uint8_t* to_stale = emit_top_unless_stale(out);
  uint8_t* to_miss = nullptr;
  if (mode.tree) {
    to_miss = emit_node_call(out, mode, &edge.index);
  } else if (edge.counted) {
    emit_increment(out, mode, kCallsOffset + 8 * edge.index, kRax);
  }
  push_frame(out, mode, mode.tree ? nullptr : &edge.index, edge.is_call, edge.passed_ir);
  restore_borrowed(out, borrowed);
  if (to_miss != nullptr) emit_miss(to_miss, cookie_of(kExitNewNode, source.pc), Door::kKey, retry, borrowed);
  emit_miss(to_stale, cookie_of(kExitStale, source.pc), Door::kPlain, retry, borrowed);
  if (edge.slot_record != nullptr) note_continuation(out, edge.slot_record);
  out.cover(source.offset, {.step = true});
}

namespace {

// mov rax, start ; mov rdx, rcx ; sub rdx, rax ; cmp rdx, size ; jb rel32
uint8_t* emit_if_inside(Emitter& out, const FunctionRange& range) {
  out.load_constant(kRax, range.start);
  out.bytes({0x48, 0x89, 0xca, 0x48, 0x29, 0xc2, 0x48, 0x81, 0xfa});
  out.u32(static_cast<uint32_t>(range.end - range.start));
  out.bytes({0x0f, 0x82});
  return out.place_rel32();
}

constexpr uint8_t kMatch = offsetof(EdgeRecord, match_pc), kNext = offsetof(EdgeRecord, next),
                  kIndex = offsetof(EdgeRecord, index), kHead = offsetof(EdgeRecord, head);

// rdx = the record of the callee rcx, which the site's head has or which is searched for out of line. Uses rax and the
// flags. A callee that has none yet is handed to the tool, which adds it, and starts anew at `retry`.
void emit_find_callee(Emitter& out, EdgeRecord* head, const uint8_t* retry) {
  out.load_constant(kRdx, reinterpret_cast<uint64_t>(head));
  out.bytes({0x48, 0x39, 0x4a, kMatch});  // cmp [rdx + 8], rcx ; jne rel32
  out.align_patch_site(2);
  out.branch_opcode(0x85);
  uint8_t* to_others = out.place_rel32();
  head->next = cache_offset(to_others);
  emit_miss(to_others, reinterpret_cast<uint64_t>(head) | kExitNewCallee, Door::kCallee, retry);
}

// The rule of the indirect branch that follows needs rcx and rdx in their spill slots, and what its operand names.
void end_before_branch(Emitter& out, const Source& source) {
  out.restore_flags();
  Effects what;
  effects(source.instr, what);
  if ((what.gpr_read & 1u << kRdx) != 0) out.unspill(kRdx);
  if ((what.gpr_read & 1u << kRcx) != 0) out.unspill(kRcx);
  out.unspill(kRax);
  out.leave_spilled(1u << kRcx | 1u << kRdx);
}

}  // namespace

void emit_indirect_edge(Emitter& out, const CountMode& mode, const IndirectEdge& edge, const Source& source) {
  const uint8_t* retry = out.here();
  borrow(out, source.offset);
  load_callee(out, edge.slot, source);
  out.save_flags();
  uint8_t* stays = edge.inside.start != 0 ? emit_if_inside(out, edge.inside) : nullptr;
  emit_find_callee(out, edge.head, retry);
  uint8_t* to_stale = edge.is_jump ? nullptr : emit_top_unless_stale(out);
  out.load_displaced32(kRdx, kRdx, kIndex);
  uint8_t* to_node_miss = nullptr;
  if (mode.tree && !edge.is_jump) {
    to_node_miss = emit_node_call(out, mode, nullptr);
  } else {
    emit_increment_of(out, mode, kRdx, kCallsOffset, kRax);
  }
  if (!edge.is_jump) push_frame(out, mode, nullptr, edge.is_call, edge.passed_ir);
  if (stays != nullptr) out.land_here(stays);
  if (edge.slot == 0) {
    end_before_branch(out, source);
  } else {
    restore_borrowed(out);
  }
  if (to_node_miss != nullptr) emit_miss(to_node_miss, cookie_of(kExitNewNode, source.pc), Door::kKey, retry);
  if (to_stale != nullptr) emit_miss(to_stale, cookie_of(kExitStale, source.pc), Door::kPlain, retry);
  note_continuation(out, edge.head);
  out.cover(source.offset, {.step = true});
}

bool searches_callees(EdgeRecord& head) {
  constexpr uint64_t kMostBytes = 128;
  if (head.next == kSearches) return true;
  if (head.callee_pc != 0 || !code_cache.has_cold_room(kMostBytes)) return false;
  uint8_t* to_others = reinterpret_cast<uint8_t*>(protocol::kCacheBase) + head.next;
  const uint8_t* miss = to_others + 4 + load<int32_t>(to_others);
  Emitter out(code_cache.cold(), nullptr);
  const uint32_t start = cache_offset(out.here());
  out.bytes({0x89, 0xc8, 0x69, 0xc0});  // mov eax, ecx ; imul eax, eax, imm32
  out.u32(kLookupFactorFirst);
  out.byte(0x05);  // add eax, imm32
  out.u32(head.head * kLookupFactorSecond);
  out.bytes({0xc1, 0xe8, 32 - kCalleeBits});  // shr eax, imm8
  out.load_constant(kRdx, kCalleesAt);
  out.bytes({0x8b, 0x14, 0x82});  // mov edx, [rdx + rax * 4]
  out.load_constant(kRax, kToolBase);
  const uint8_t* probe = out.here();
  out.bytes({0x85, 0xd2});  // test edx, edx ; jz rel32
  out.jump(miss, 0x84);
  // add rdx, rax ; cmp [rdx + 8], rcx ; jne next ; cmp dword [rdx + 40], imm32 ; je rel32
  out.bytes({0x48, 0x01, 0xc2, 0x48, 0x39, 0x4a, kMatch, 0x75, 13, 0x81, 0x7a, kHead});
  out.u32(head.head);
  out.jump(to_others + 4, 0x84);
  out.load_displaced32(kRdx, kRdx, kNext);  // next:
  out.branch(probe);
  code_cache.set_cold(out.here());
  patch_branch(head.next, start);
  head.next = kSearches;
  return true;
}

void emit_resolved_jump(Emitter& out, EdgeRecord* head, const Source& source) {
  out.spill(kRcx);
  out.cover(source.offset);
  emit_load_target(out, source);
  out.gs_absolute(0x89, kRcx, VSUP_CTX_REQUEST_ARGUMENT);
  out.unspill(kRcx);
  emit_tool_exit(out, reinterpret_cast<uint64_t>(head) | kExitResolved, out.here());
  note_continuation(out, head);
  out.cover(source.offset, {.step = true});
}

void emit_due_toggle(Emitter& out, const Source& source) {
  const auto invert = [&out](uint32_t offset) {
    out.bytes({0x65, 0x48, 0xf7, 0x14, 0x25});  // not qword gs:[offset], which keeps the flags
    out.u32(offset);
  };
  constexpr uint8_t kBothInversions = 18;
  out.spill(kRcx);
  out.cover(source.offset);
  out.gs_absolute(0x8b, kRcx, kToggleDueOffset);
  out.jrcxz(kBothInversions);
  invert(kCollectOffset);
  invert(kToggleDueOffset);
  out.unspill(kRcx);
  out.cover(source.offset, {.step = true});
}

uint8_t* emit_if_taken(Emitter& out, const Source& source) {
  out.branch_opcode(static_cast<uint8_t>(0x80 | (source.instr.condition() ^ 1)));
  uint8_t* place = out.place_rel32();
  out.cover(source.offset);
  return place;
}

void end_if_taken(const Emitter& out, uint8_t* place) {
  out.land_here(place);
}

void emit_return(Emitter& out, const CountMode& mode, const Source& source) {
  borrow(out, source.offset);
  out.take_flags();
  out.gs_absolute(0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  out.bytes({0x48, 0x39, 0x61, 0xe0, 0x0f, 0x85});  // cmp [rcx - 32], rsp ; jne rel32
  uint8_t* to_unknown = out.place_rel32();
  const uint8_t* next = out.here();
  load_ir(out, kRdx);
  out.bytes({0x48, 0x2b, 0x51, 0xe8});        // sub rdx, [rcx - 24]
  out.bytes({0x8b, 0x49, 0xf0});              // mov ecx, [rcx - 16]
  out.bytes({0x65, 0x48, 0x01, 0x14, 0xcd});  // add gs:[rcx * 8 + inclusive], rdx
  out.u32(mode.tree ? kNodeInclusiveOffset : kInclusiveOffset);
  out.gs_absolute(0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  if (mode.events) out.step_call(&vsup_function_leaves);
  // Functions that were jumped to from this one return by the same address.
  out.bytes({0x48, 0x8d, 0x49, 0xe0});  // lea rcx, [rcx - 32]
  out.gs_absolute(0x89, kRcx, VSUP_CTX_TOOL_STACK);
  out.bytes({0x48, 0x39, 0x61, 0xe0, 0x74});  // cmp [rcx - 32], rsp ; je next
  out.byte(static_cast<uint8_t>(next - (out.here() + 1)));
  uint8_t* to_flagged = nullptr;
  if (mode.acts) {
    out.bytes({0x48, 0x8d, 0x54, 0x24, 0x01});        // lea rdx, [rsp + 1]
    out.bytes({0x48, 0x39, 0x51, 0xe0, 0x0f, 0x84});  // cmp [rcx - 32], rdx ; je rel32
    to_flagged = out.place_rel32();
  }
  out.give_flags();
  out.unspill(kRax);
  out.cover(source.offset, {.step = true});
  out.leave_spilled(1u << kRcx | 1u << kRdx);
  const uint8_t* exit =
      emit_miss(to_unknown, cookie_of(kExitReturn, source.pc), Door::kReturn, out.here(), {.flags = false});
  if (to_flagged != nullptr) Emitter::land(to_flagged, exit);
}

}  // namespace vsup::agent::callgrind
