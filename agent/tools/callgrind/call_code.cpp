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

// Pushes a frame on the shadow stack: its edge is `edge`, or what rdx holds. Uses rax, rcx and the flags.
void push_frame(Emitter& out, const uint32_t* edge, bool is_call) {
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  if (is_call) {
    raw_bytes(out, {0x48, 0x8d, 0x44, 0x24, 0xf8});  // lea rax, [rsp - 8]
  } else {
    raw_bytes(out, {0x48, 0x89, 0xe0});  // mov rax, rsp
  }
  raw_bytes(out, {0x48, 0x89, 0x01});  // mov [rcx], rax
  load_ir(out);
  raw_bytes(out, {0x48, 0x89, 0x41, 0x08});  // mov [rcx + 8], rax
  if (edge != nullptr) {
    raw_bytes(out, {0x48, 0xc7, 0x41, 0x10});  // mov qword [rcx + 16], imm32
    out.u32(*edge);
  } else {
    raw_bytes(out, {0x48, 0x89, 0x51, 0x10});  // mov [rcx + 16], rdx
  }
  // When the stack is full its last slot is written again and again, and its frames get no inclusive cost.
  raw_bytes(out, {0x48, 0x8d, 0x49, 0x20});  // lea rcx, [rcx + 32]
  raw_bytes(out, {0x89, 0xc8, 0x25});        // mov eax, ecx ; and eax, imm32
  out.u32(protocol::kSlotSize - 1);
  out.byte(0x3d);  // cmp eax, imm32
  out.u32(kShadowStackEnd - sizeof(Frame));
  raw_bytes(out, {0x73, 9});  // jae over the store
  gs_operand(out, 0x89, kRcx, VSUP_CTX_TOOL_STACK);
}

}  // namespace

void emit_count(Emitter& out, uint32_t block, uint32_t instructions, bool flags_dead, uint32_t offset) {
  uint32_t count = kBlockCountOffset + 8 * block;
  uint32_t ir = accumulator(block % kAccumulators);
  if (flags_dead) {
    gs_operand(out, 0xff, 0, count);  // inc
    gs_operand(out, 0x81, 0, ir);     // add imm32
    out.u32(instructions);
    out.cover(offset);
    return;
  }
  out.spill(kRcx);
  out.cover(offset);
  gs_operand(out, 0x8b, kRcx, count);
  raw_bytes(out, {0x48, 0x8d, 0x49, 0x01});  // lea rcx, [rcx + 1]
  gs_operand(out, 0x89, kRcx, count);
  gs_operand(out, 0x8b, kRcx, ir);
  raw_bytes(out, {0x48, 0x8d, 0x89});  // lea rcx, [rcx + imm32]
  out.u32(instructions);
  gs_operand(out, 0x89, kRcx, ir);
  out.unspill(kRcx);
  out.cover(offset, {.step = true});
}

void emit_direct_edge(Emitter& out, uint32_t edge, bool is_call, uint32_t offset) {
  out.spill(kRax);
  out.spill(kRcx);
  out.cover(offset);
  save_flags(out);
  push_frame(out, &edge, is_call);
  restore_flags(out);
  out.unspill(kRcx);
  out.unspill(kRax);
  out.cover(offset, {.step = true});
}

void emit_indirect_edge(Emitter& out, const Source& source, EdgeRecord* head, bool is_call) {
  const uint8_t* retry = out.here();
  out.spill(kRax);
  out.spill(kRcx);
  out.spill(kRdx);
  out.cover(source.offset);
  emit_load_target(out, source);  // rcx
  save_flags(out);
  out.load_constant(kRdx, reinterpret_cast<uint64_t>(head));
  const uint8_t* next = out.here();
  raw_bytes(out, {0x48, 0x8b, 0x52, 0x10});  // mov rdx, [rdx + 16]
  raw_bytes(out, {0x48, 0x85, 0xd2});        // test rdx, rdx
  raw_bytes(out, {0x0f, 0x84});              // jz miss, rel32
  uint8_t* to_miss = out.here();
  out.u32(0);
  raw_bytes(out, {0x48, 0x39, 0x4a, 0x08});  // cmp [rdx + 8], rcx
  out.byte(0x75);                            // jne next
  out.byte(static_cast<uint8_t>(next - (out.here() + 1)));
  raw_bytes(out, {0x8b, 0x52, 0x1c});              // mov edx, [rdx + 28]
  raw_bytes(out, {0x65, 0x48, 0xff, 0x04, 0xd5});  // inc gs:[rdx * 8 + calls]
  out.u32(kCallsOffset);
  push_frame(out, nullptr, is_call);
  restore_borrowed(out);
  out.byte(0xe9);  // jmp over the miss
  uint8_t* over = out.here();
  out.u32(0);
  store(to_miss, static_cast<uint32_t>(out.here() - (to_miss + 4)));
  gs_operand(out, 0x89, kRcx, VSUP_CTX_REQUEST_ARGUMENT);
  restore_borrowed(out);
  emit_tool_exit(out, reinterpret_cast<uint64_t>(head), retry);
  store(over, static_cast<uint32_t>(out.here() - (over + 4)));
  head->block = static_cast<uint32_t>(reinterpret_cast<uint64_t>(out.here()) - protocol::kCacheBase);
  out.cover(source.offset, {.step = true});
}

void emit_return(Emitter& out, uint32_t offset) {
  out.spill(kRax);
  out.spill(kRcx);
  out.spill(kRdx);
  out.cover(offset);
  save_flags(out);
  gs_operand(out, 0x8b, kRcx, VSUP_CTX_TOOL_STACK);
  const uint8_t* next = out.here();
  raw_bytes(out, {0x48, 0x39, 0x61, 0xe0});  // cmp [rcx - 32], rsp
  raw_bytes(out, {0x77, 0});                 // ja done
  uint8_t* to_done = out.here() - 1;
  load_ir(out);
  raw_bytes(out, {0x48, 0x2b, 0x41, 0xe8});        // sub rax, [rcx - 24]
  raw_bytes(out, {0x48, 0x8b, 0x51, 0xf0});        // mov rdx, [rcx - 16]
  raw_bytes(out, {0x65, 0x48, 0x01, 0x04, 0xd5});  // add gs:[rdx * 8 + inclusive], rax
  out.u32(kInclusiveOffset);
  raw_bytes(out, {0x48, 0x8d, 0x49, 0xe0});  // lea rcx, [rcx - 32]
  out.byte(0xeb);                            // jmp next
  out.byte(static_cast<uint8_t>(next - (out.here() + 1)));
  store(to_done, static_cast<uint8_t>(out.here() - (to_done + 1)));
  gs_operand(out, 0x89, kRcx, VSUP_CTX_TOOL_STACK);
  restore_borrowed(out);
  out.cover(offset, {.step = true});
}

}  // namespace vsup::agent::callgrind
