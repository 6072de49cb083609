#include "agent/tools/callgrind/call_code.h"

#include "agent/engine/link.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;

uint32_t accumulator(unsigned i) {
  return kAccumulatorOffset + 64 * i;
}

// Instructions with an absolute GS operand: gs:[offset].
void gs_operand(Emitter& out, uint8_t opcode, uint8_t reg, uint32_t offset) {
  out.byte(0x65);
  out.byte(0x48);
  out.byte(opcode);
  out.byte(static_cast<uint8_t>(0x04 | reg << 3));
  out.byte(0x25);
  out.u32(offset);
}

template <size_t N>
void raw_bytes(Emitter& out, const uint8_t (&code)[N]) {
  out.bytes(code, N);
}

// lahf ; seto al ; mov gs:[spill_flags], rax; rax must be spilled.
void save_flags(Emitter& out) {
  raw_bytes(out, {0x9f, 0x0f, 0x90, 0xc0});
  gs_operand(out, 0x89, kRax, VSUP_CTX_SPILL_FLAGS);
}

// mov rax, gs:[spill_flags] ; add al, 0x7f ; sahf
void restore_flags(Emitter& out) {
  gs_operand(out, 0x8b, kRax, VSUP_CTX_SPILL_FLAGS);
  raw_bytes(out, {0x04, 0x7f, 0x9e});
}

// Gives back the flags and the three registers.
void restore_borrowed(Emitter& out) {
  restore_flags(out);
  out.unspill(kRdx);
  out.unspill(kRcx);
  out.unspill(kRax);
}

// rax = the thread's Ir so far; changes the flags.
void load_ir(Emitter& out) {
  gs_operand(out, 0x8b, kRax, accumulator(0));
  for (unsigned i = 1; i < kAccumulators; ++i) gs_operand(out, 0x03, kRax, accumulator(i));
}

// What a frame's cost is counted for: a constant, or what rdx holds.
void store_cost(Emitter& out, const uint32_t* edge) {
  if (edge != nullptr) {
    raw_bytes(out, {0x48, 0xc7, 0x41, 0x10});  // mov qword [rcx + 16], imm32
    out.u32(*edge);
  } else {
    raw_bytes(out, {0x48, 0x89, 0x51, 0x10});  // mov [rcx + 16], rdx
  }
}

// Pushes a frame on the shadow stack, whose function begins after `passed_ir` further instructions. Uses rax, rcx and
// the flags.
void push_frame(Emitter& out, const uint32_t* edge, bool is_call, uint32_t passed_ir = 0) {
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  if (is_call) {
    raw_bytes(out, {0x48, 0x8d, 0x44, 0x24, 0xf8});  // lea rax, [rsp - 8]
  } else {
    raw_bytes(out, {0x48, 0x89, 0xe0});  // mov rax, rsp
  }
  raw_bytes(out, {0x48, 0x89, 0x01});  // mov [rcx], rax
  load_ir(out);
  if (passed_ir != 0) raw_bytes(out, {0x48, 0x83, 0xc0, static_cast<uint8_t>(passed_ir)});  // add rax, imm8
  raw_bytes(out, {0x48, 0x89, 0x41, 0x08});                                                 // mov [rcx + 8], rax
  store_cost(out, edge);
  // When the stack is full its last slot is written again and again, and its frames get no inclusive cost.
  raw_bytes(out, {0x48, 0x8d, 0x49, 0x20});              // lea rcx, [rcx + 32]
  gs_operand(out, 0x3b, kRcx, VSUP_CTX_TOOL_STACK_END);  // cmp
  raw_bytes(out, {0x73, 9});                             // jae over the store
  gs_operand(out, 0x89, kRcx, VSUP_CTX_TOOL_STACK);
}

uint8_t* place_rel32(Emitter& out) {
  uint8_t* place = out.here();
  out.u32(0);
  return place;
}
void land_here(const Emitter& out, uint8_t* place) {
  store(place, static_cast<uint32_t>(out.here() - (place + 4)));
}

// rdx = the address of the entry for the pair of ecx and a constant, or of rcx and edx, in the table; rax = its key.
// Returns the rel32 of the jump that is taken when there is none. Uses the flags.
uint8_t* emit_lookup(Emitter& out, uint64_t table, const uint32_t* second) {
  if (second != nullptr) {
    out.load_constant(kRax, (uint64_t{*second} + 1) << 32);
    raw_bytes(out, {0x48, 0x09, 0xc8, 0x69, 0xc9});  // or rax, rcx ; imul ecx, ecx, imm32
    out.u32(kLookupFactorFirst);
    raw_bytes(out, {0x81, 0xc1});  // add ecx, imm32
    out.u32((*second + 1) * kLookupFactorSecond);
  } else {
    // inc edx ; mov eax, edx ; shl rax, 32 ; or rax, rcx ; imul ecx, ecx, imm32
    raw_bytes(out, {0xff, 0xc2, 0x89, 0xd0, 0x48, 0xc1, 0xe0, 0x20, 0x48, 0x09, 0xc8, 0x69, 0xc9});
    out.u32(kLookupFactorFirst);
    raw_bytes(out, {0x69, 0xd2});  // imul edx, edx, imm32
    out.u32(kLookupFactorSecond);
    raw_bytes(out, {0x01, 0xd1});  // add ecx, edx
  }
  raw_bytes(out, {0xc1, 0xe9, 32 - kLookupBits});  // shr ecx, imm8
  raw_bytes(out, {0x48, 0xc1, 0xe1, 0x04});        // shl rcx, 4
  out.load_constant(kRdx, table);
  raw_bytes(out, {0x48, 0x01, 0xca});  // add rdx, rcx
  const uint8_t* probe = out.here();
  // cmp [rdx], rax ; je over what follows ; cmp qword [rdx], 0 ; je rel32 ; add rdx, 16 ; jmp probe
  raw_bytes(out, {0x48, 0x39, 0x02, 0x74, 16, 0x48, 0x83, 0x3a, 0x00, 0x0f, 0x84});
  uint8_t* to_miss = place_rel32(out);
  raw_bytes(out, {0x48, 0x83, 0xc2, 0x10, 0xeb});
  out.byte(static_cast<uint8_t>(probe - (out.here() + 1)));
  return to_miss;
}

// Where a lookup found nothing: hands its key to the tool, which adds the entry, and starts anew at `retry`.
void emit_lookup_miss(Emitter& out, ExitKind kind, uint64_t pc, const uint8_t* retry) {
  gs_operand(out, 0x89, kRax, VSUP_CTX_REQUEST_ARGUMENT);
  restore_borrowed(out);
  emit_tool_exit(out, pc << kExitKindBits | kind, retry);
}

// Adds 1, or 0 while the thread does not collect, to gs:[reg * 8 + offset]; `scratch` and the flags are free.
void emit_increment(Emitter& out, const CountMode& mode, GprIndex reg, uint32_t offset, GprIndex scratch) {
  uint8_t opcode = 0xff;
  uint8_t operand = 0;
  if (mode.collect) {
    gs_operand(out, 0x8b, scratch, kCollectOffset);
    raw_bytes(out, {0x83, static_cast<uint8_t>(0xe0 | scratch), 0x01});  // and r32, 1
    opcode = 0x01;
    operand = scratch;
  }
  raw_bytes(out,
            {0x65, 0x48, opcode, static_cast<uint8_t>(0x04 | operand << 3), static_cast<uint8_t>(0xc5 | reg << 3)});
  out.u32(offset);
}

// rcx = the top of the shadow stack; a jump, whose rel32 is returned, when its topmost function was left by a jump.
uint8_t* emit_top_unless_stale(Emitter& out) {
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  raw_bytes(out, {0x48, 0x39, 0x61, 0xe0, 0x0f, 0x82});  // cmp [rcx - 32], rsp ; jb rel32
  return place_rel32(out);
}

// Calls from the topmost frame's node, rcx being the top, by an edge, a constant or edx: counts, and leaves the
// callee's node and context in rdx. Returns the rel32 of the jump to the miss.
uint8_t* emit_node_call(Emitter& out, const CountMode& mode, const uint32_t* edge) {
  raw_bytes(out, {0x8b, 0x49, 0xf0});  // mov ecx, [rcx - 16]
  uint8_t* to_miss = emit_lookup(out, kNodeLookupAt, edge);
  raw_bytes(out, {0x48, 0x8b, 0x52, 0x08, 0x89, 0xd0});  // mov rdx, [rdx + 8] ; mov eax, edx
  emit_increment(out, mode, kRax, kNodeCallsOffset, kRcx);
  return to_miss;
}

void spill_three(Emitter& out, uint32_t offset) {
  out.spill(kRax);
  out.spill(kRcx);
  out.spill(kRdx);
  out.cover(offset);
}

// An execution of a block counts where the context of the topmost frame says.
void emit_count_in_context(Emitter& out, const CountedBlock& block, uint32_t offset) {
  const uint8_t* retry = out.here();
  spill_three(out, offset);
  save_flags(out);
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  raw_bytes(out, {0x8b, 0x49, 0xf4});  // mov ecx, [rcx - 12]
  uint8_t* to_miss = emit_lookup(out, kCounterLookupAt, &block.index);
  raw_bytes(out, {0x8b, 0x52, 0x08});              // mov edx, [rdx + 8]
  raw_bytes(out, {0x65, 0x48, 0xff, 0x04, 0xd5});  // inc gs:[rdx * 8 + counts]
  out.u32(kBlockCountOffset);
  gs_operand(out, 0x81, 0, accumulator(block.index % kAccumulators));  // add imm32
  out.u32(block.instructions);
  restore_borrowed(out);
  out.byte(0xe9);
  uint8_t* over = place_rel32(out);
  land_here(out, to_miss);
  emit_lookup_miss(out, kExitNewCounter, block.pc, retry);
  land_here(out, over);
  out.cover(offset, {.step = true});
}

}  // namespace

namespace {

void emit_plain_count(Emitter& out, const CountedBlock& block, const Source& source) {
  uint32_t count = kBlockCountOffset + 8 * block.index;
  uint32_t ir = accumulator(block.index % kAccumulators);
  if (block.flags_dead) {
    gs_operand(out, 0xff, 0, count);  // inc
    gs_operand(out, 0x81, 0, ir);     // add imm32
    out.u32(block.instructions);
    out.cover(source.offset);
    return;
  }
  out.spill(kRcx);
  out.cover(source.offset);
  gs_operand(out, 0x8b, kRcx, count);
  raw_bytes(out, {0x48, 0x8d, 0x49, 0x01});  // lea rcx, [rcx + 1]
  gs_operand(out, 0x89, kRcx, count);
  gs_operand(out, 0x8b, kRcx, ir);
  raw_bytes(out, {0x48, 0x8d, 0x89});  // lea rcx, [rcx + imm32]
  out.u32(block.instructions);
  gs_operand(out, 0x89, kRcx, ir);
  out.unspill(kRcx);
  out.cover(source.offset, {.step = true});
}

}  // namespace

void emit_count(Emitter& out, const CountMode& mode, const CountedBlock& block, const Source& source) {
  uint8_t* over = nullptr;
  if (mode.collect) {
    // spill rcx ; mov rcx, gs:[collect] ; jrcxz over the jump ; jmp counts ; unspill rcx ; jmp over ; counts: unspill
    // rcx
    out.spill(kRcx);
    gs_operand(out, 0x8b, kRcx, kCollectOffset);
    out.jrcxz(5);
    out.byte(0xe9);
    uint8_t* to_count = place_rel32(out);
    out.unspill(kRcx);
    out.byte(0xe9);
    over = place_rel32(out);
    land_here(out, to_count);
    out.unspill(kRcx);
    out.cover(source.offset, {.step = true});
  }
  if (mode.contexts) {
    emit_count_in_context(out, block, source.offset);
  } else {
    emit_plain_count(out, block, source);
  }
  if (over != nullptr) land_here(out, over);
}

void emit_flagged_edge(Emitter& out, EdgeRecord* edge, const Source& source) {
  emit_tool_exit(out, reinterpret_cast<uint64_t>(edge) | kExitFlagged, out.here());
  edge->block = static_cast<uint32_t>(reinterpret_cast<uint64_t>(out.here()) - protocol::kCacheBase);
  out.cover(source.offset, {.step = true});
}

void emit_jump_count(Emitter& out, uint32_t edge, const Source& source) {
  const uint32_t count = kCallsOffset + 8 * edge;
  out.spill(kRcx);
  out.cover(source.offset);
  gs_operand(out, 0x8b, kRcx, count);
  raw_bytes(out, {0x48, 0x8d, 0x49, 0x01});  // lea rcx, [rcx + 1]
  gs_operand(out, 0x89, kRcx, count);
  out.unspill(kRcx);
  out.cover(source.offset, {.step = true});
}

void emit_direct_edge(Emitter& out, const CountMode& mode, const DirectEdge& edge, const Source& source) {
  const uint8_t* retry = out.here();
  spill_three(out, source.offset);
  save_flags(out);
  uint8_t* to_stale = emit_top_unless_stale(out);
  uint8_t* to_miss = nullptr;
  if (mode.tree) {
    to_miss = emit_node_call(out, mode, &edge.index);
  } else if (edge.counted) {
    out.load_constant(kRdx, edge.index);
    emit_increment(out, mode, kRdx, kCallsOffset, kRax);
  }
  push_frame(out, mode.tree ? nullptr : &edge.index, edge.is_call);
  restore_borrowed(out);
  out.byte(0xe9);
  uint8_t* over = place_rel32(out);
  if (to_miss != nullptr) {
    land_here(out, to_miss);
    emit_lookup_miss(out, kExitNewNode, raw(source.pc), retry);
  }
  land_here(out, to_stale);
  emit_lookup_miss(out, kExitStale, raw(source.pc), retry);
  land_here(out, over);
  out.cover(source.offset, {.step = true});
}

namespace {

// rcx = where the branch leads; the registers are spilled.
void load_callee(Emitter& out, const IndirectEdge& edge, const Source& source) {
  if (edge.slot == 0) {
    emit_load_target(out, source);
    return;
  }
  out.load_constant(kRcx, edge.slot);
  out.cover(source.offset, {.spilled = 1u << kRcx});
  out.load_displaced(kRcx, kRcx, 0);
  out.cover(source.offset, {.spilled = 1u << kRcx});
}

// mov rax, start ; mov rdx, rcx ; sub rdx, rax ; cmp rdx, size ; jb rel32
uint8_t* emit_if_inside(Emitter& out, const FunctionRange& range) {
  out.load_constant(kRax, range.start);
  raw_bytes(out, {0x48, 0x89, 0xca, 0x48, 0x29, 0xc2, 0x48, 0x81, 0xfa});
  out.u32(static_cast<uint32_t>(range.end - range.start));
  raw_bytes(out, {0x0f, 0x82});
  return place_rel32(out);
}

void note_continuation(const Emitter& out, EdgeRecord* head) {
  head->block = static_cast<uint32_t>(reinterpret_cast<uint64_t>(out.here()) - protocol::kCacheBase);
}

}  // namespace

void emit_indirect_edge(Emitter& out, const CountMode& mode, const IndirectEdge& edge, const Source& source) {
  const uint8_t* retry = out.here();
  spill_three(out, source.offset);
  load_callee(out, edge, source);
  save_flags(out);
  uint8_t* stays = edge.inside.start != 0 ? emit_if_inside(out, edge.inside) : nullptr;
  out.load_constant(kRdx, reinterpret_cast<uint64_t>(edge.head));
  const uint8_t* next = out.here();
  raw_bytes(out, {0x48, 0x8b, 0x52, 0x10});  // mov rdx, [rdx + 16]
  raw_bytes(out, {0x48, 0x85, 0xd2});        // test rdx, rdx
  raw_bytes(out, {0x0f, 0x84});              // jz miss, rel32
  uint8_t* to_miss = place_rel32(out);
  raw_bytes(out, {0x48, 0x39, 0x4a, 0x08});  // cmp [rdx + 8], rcx
  out.byte(0x75);                            // jne next
  out.byte(static_cast<uint8_t>(next - (out.here() + 1)));
  uint8_t* to_stale = edge.is_jump ? nullptr : emit_top_unless_stale(out);
  raw_bytes(out, {0x8b, 0x52, 0x1c});  // mov edx, [rdx + 28]
  uint8_t* to_node_miss = nullptr;
  if (mode.tree && !edge.is_jump) {
    to_node_miss = emit_node_call(out, mode, nullptr);
  } else {
    emit_increment(out, mode, kRdx, kCallsOffset, kRax);
  }
  if (!edge.is_jump) push_frame(out, nullptr, edge.is_call, edge.passed_ir);
  if (stays != nullptr) land_here(out, stays);
  restore_borrowed(out);
  out.byte(0xe9);  // jmp over the misses
  uint8_t* over = place_rel32(out);
  if (to_node_miss != nullptr) {
    land_here(out, to_node_miss);
    emit_lookup_miss(out, kExitNewNode, raw(source.pc), retry);
  }
  if (to_stale != nullptr) {
    land_here(out, to_stale);
    emit_lookup_miss(out, kExitStale, raw(source.pc), retry);
  }
  land_here(out, to_miss);
  gs_operand(out, 0x89, kRcx, VSUP_CTX_REQUEST_ARGUMENT);
  restore_borrowed(out);
  emit_tool_exit(out, reinterpret_cast<uint64_t>(edge.head) | kExitNewCallee, retry);
  land_here(out, over);
  note_continuation(out, edge.head);
  out.cover(source.offset, {.step = true});
}

void emit_resolved_jump(Emitter& out, EdgeRecord* head, const Source& source) {
  out.spill(kRcx);
  out.cover(source.offset);
  emit_load_target(out, source);
  gs_operand(out, 0x89, kRcx, VSUP_CTX_REQUEST_ARGUMENT);
  out.unspill(kRcx);
  emit_tool_exit(out, reinterpret_cast<uint64_t>(head) | kExitResolved, out.here());
  note_continuation(out, head);
  out.cover(source.offset, {.step = true});
}

uint8_t* emit_if_taken(Emitter& out, const Source& source) {
  out.byte(0x0f);
  out.byte(static_cast<uint8_t>(0x80 | (source.instr.condition() ^ 1)));
  uint8_t* place = place_rel32(out);
  out.cover(source.offset);
  return place;
}

void end_if_taken(const Emitter& out, uint8_t* place) {
  land_here(out, place);
}

void emit_return(Emitter& out, const CountMode& mode, const Source& source) {
  spill_three(out, source.offset);
  save_flags(out);
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  raw_bytes(out, {0x48, 0x39, 0x61, 0xe0, 0x0f, 0x85});  // cmp [rcx - 32], rsp ; jne rel32
  uint8_t* to_unknown = place_rel32(out);
  const uint8_t* next = out.here();
  load_ir(out);
  raw_bytes(out, {0x48, 0x2b, 0x41, 0xe8});        // sub rax, [rcx - 24]
  raw_bytes(out, {0x8b, 0x51, 0xf0});              // mov edx, [rcx - 16]
  raw_bytes(out, {0x65, 0x48, 0x01, 0x04, 0xd5});  // add gs:[rdx * 8 + inclusive], rax
  out.u32(mode.tree ? kNodeInclusiveOffset : kInclusiveOffset);
  // Functions that were jumped to from this one return by the same address.
  raw_bytes(out, {0x48, 0x8d, 0x49, 0xe0, 0x48, 0x39, 0x61, 0xe0, 0x74});  // lea rcx, [rcx - 32] ; cmp ; je next
  out.byte(static_cast<uint8_t>(next - (out.here() + 1)));
  gs_operand(out, 0x89, kRcx, VSUP_CTX_TOOL_STACK);
  uint8_t* to_flagged = nullptr;
  if (mode.collect) {
    raw_bytes(out, {0x48, 0x8d, 0x44, 0x24, 0x01});        // lea rax, [rsp + 1]
    raw_bytes(out, {0x48, 0x39, 0x41, 0xe0, 0x0f, 0x84});  // cmp [rcx - 32], rax ; je rel32
    to_flagged = place_rel32(out);
  }
  restore_borrowed(out);
  const uint8_t* goes_on = out.here();
  out.byte(0xe9);
  uint8_t* over = place_rel32(out);
  land_here(out, to_unknown);
  if (to_flagged != nullptr) land_here(out, to_flagged);
  restore_borrowed(out);
  emit_tool_exit(out, raw(source.pc) << kExitKindBits | kExitReturn, goes_on);
  land_here(out, over);
  out.cover(source.offset, {.step = true});
}

}  // namespace vsup::agent::callgrind
