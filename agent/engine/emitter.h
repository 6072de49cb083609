// Purpose: writes one fragment's machine code and, beside it, its state map.
// Assumes: room was checked (CodeCache::full). Promises: encodings of inserted code live here and nowhere else.
#pragma once

#include "agent/base/memory.h"
#include "agent/engine/code_cache.h"
#include "protocol/context_offsets.h"

namespace vsup::agent {

using protocol::GprIndex;

// A state of the map: which registers are in their spill slots, and whether the place is an app state at all.
struct EmitState {
  uint16_t spilled = 0;
  bool step = false;
};

class Emitter {
 public:
  Emitter(uint8_t* out, uint8_t* map) : out_(out), map_start_(map), map_(map), covered_(out) {}

  uint8_t* here() const { return out_; }
  uint32_t map_size() const { return static_cast<uint32_t>(map_ - map_start_); }

  // What has been emitted since the last call belongs to the app instruction `app_offset` bytes into the block.
  void cover(uint32_t app_offset, EmitState state = {});
  // What is covered from now on, and is not to be stepped out of, is of this kind.
  void set_kind(protocol::StateKind kind) { kind_ = kind; }
  // What has been emitted so far is no app state; from here on the tool has come to `kind` in counting the block.
  void count_to(uint32_t app_offset, protocol::StateKind kind) {
    cover(app_offset, {.step = true});
    set_kind(kind);
  }
  // Registers that a tool leaves in their spill slots for the rule of a return or an indirect branch.
  void leave_spilled(uint16_t registers) { left_spilled_ = registers; }
  uint16_t left_spilled() const { return left_spilled_; }
  // What is emitted from here on is the block of `tag`, and branches to it lead here.
  void start_block(AppPc tag) {
    tag_ = tag;
    start_ = out_;
  }
  // Null: `target` is not the block under way.
  const uint8_t* start_of(AppPc target) const { return target == tag_ ? start_ : nullptr; }
  // Leaves what was emitted so far out of the map.
  void skip_coverage() { covered_ = out_; }

  void byte(uint8_t value) { *out_++ = value; }
  void bytes(const uint8_t* from, size_t size) {
    for (size_t i = 0; i < size; ++i) out_[i] = from[i];
    out_ += size;
  }
  template <size_t N>
  void bytes(const uint8_t (&code)[N]) {
    bytes(code, N);
  }
  // A distance that is not known yet: returns where it lies, for land().
  uint8_t* place_rel32() {
    uint8_t* place = out_;
    u32(0);
    return place;
  }
  void land_here(uint8_t* place) const { land(place, out_); }
  static void land(uint8_t* place, const uint8_t* target) { store(place, static_cast<uint32_t>(target - (place + 4))); }
  void u32(uint32_t value) {
    store(out_, value);
    out_ += 4;
  }
  void u64(uint64_t value) {
    store(out_, value);
    out_ += 8;
  }

  // opcode reg, gs:[offset], of 64 bits; reg is the opcode's digit where it takes one
  void gs_absolute(uint8_t opcode, uint8_t reg, uint32_t offset);
  // The arithmetic flags into rax, which must be spilled: lahf ; seto al; and back.
  void take_flags() { bytes({0x9f, 0x0f, 0x90, 0xc0}); }
  // al is 0 or 1: add al, 0x7f sets the overflow flag, sahf the others.
  void give_flags() { bytes({0x04, 0x7f, 0x9e}); }
  // By way of rax into spill_flags, and back.
  void save_flags();
  void restore_flags();
  // add qword gs:[offset], amount
  void add_to(uint32_t offset, uint32_t amount);
  // The same by lea, without a change of the flags; `scratch` must be spilled.
  void add_keeping_flags(uint32_t offset, uint32_t amount, GprIndex scratch);

  void spill(GprIndex reg) { gs_absolute(0x89, reg, VSUP_CTX_SPILL + 8u * reg); }
  void unspill(GprIndex reg) { gs_absolute(0x8b, reg, VSUP_CTX_SPILL + 8u * reg); }
  // mov reg, gs:[offset]
  void load_context(GprIndex reg, uint32_t offset) { gs_absolute(0x8b, reg, offset); }
  // mov reg, imm64 in its shortest form
  void load_constant(GprIndex reg, uint64_t value);
  // mov r64, [base + disp8]; mov r32, [base + disp8]
  void load_displaced(GprIndex reg, GprIndex base, uint8_t disp8) { load_displaced(0x48, reg, base, disp8); }
  void load_displaced32(GprIndex reg, GprIndex base, uint8_t disp8) { load_displaced(0x40, reg, base, disp8); }
  // mov reg, [rip + ...] of a literal
  void load_literal(GprIndex reg, const uint8_t* literal);
  // push qword [rip + ...] of a literal
  void push_constant(uint64_t value);
  // lea a, [a + b]; lea a, [a + b + 1]; not b
  void add_without_flags(GprIndex a, GprIndex b);
  void subtract_prepared(GprIndex a, GprIndex b);
  void invert(GprIndex reg);
  // jmp rel32, or jcc rel32 of condition opcode `jcc` (0x80 to 0x8f), to an address within reach
  void jump(const uint8_t* target, uint8_t jcc = 0);
  // The same in the shortest form: it cannot be patched.
  void branch(const uint8_t* target, uint8_t jcc = 0);
  // Of a jump whose rel32 follows.
  void branch_opcode(uint8_t jcc);
  // jrcxz over the next `distance` bytes
  void jrcxz(uint8_t distance) {
    byte(0xe3);
    byte(distance);
  }
  // movzx edx, cx; jmp gs:[rdx * 8 + branch table]: rcx is the app target
  void jump_through_table();
  // Sets exit_id to `id` and jumps to the agent's exit.
  void exit_stub(uint32_t id, const void* agent_exit);
  // Calls a function made by step_call (agent/base/step_call.inc) on the agent's stack: the app's may not be written.
  // rsp is no scratch register, so its spill slot is free. Changes the flags.
  void step_call(void (*function)());
  // NOPs, so that a rel32 placed `offset` bytes from here can be patched by one store.
  void align_patch_site(uint32_t offset);

 private:
  void load_displaced(uint8_t rex, GprIndex reg, GprIndex base, uint8_t disp8);

  uint8_t* out_;
  uint8_t* map_start_;
  uint8_t* map_;
  uint8_t* covered_;         // code before it is in the map
  uint32_t map_offset_ = 0;  // app offset of the map's last entry
  protocol::StateKind kind_ = protocol::StateKind::kExact;
  uint16_t left_spilled_ = 0;
  AppPc tag_{};
  const uint8_t* start_ = nullptr;
};

}  // namespace vsup::agent
