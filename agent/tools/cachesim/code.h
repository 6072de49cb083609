// Purpose: the inserted code that checks an access against the last used way of its set, and leaves for the slow path
// otherwise.
// Assumes: the app's flags are saved or dead where it is placed; scratch registers are spilled. Promises: encodings
// live here and nowhere else.
#pragma once

#include "agent/engine/rules.h"
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

using protocol::GprIndex;

class Code {
 public:
  explicit Code(Emitter& out) : out_(out) {}

  // Whether the lines of a fetch are the last used of their sets. `checks_first`: the first is not known to be.
  // `scratch`: a register that may be used, or none.
  void fetch(const Descriptor& place, uint32_t number, bool checks_first, const GprIndex* scratch);

  // Whether the line of an access is the last used of its set and the access lies within it. The displacement of
  // `access` is that from the registers as they are here. Uses `s` and `t`. `number` is what ThreadState::descriptor
  // takes.
  void data(const DataAccess& access, uint64_t next_pc, uint32_t number, GprIndex s, GprIndex t);

  // Leaves for the slow path with ThreadState::argument = reg.
  void always(uint32_t number, GprIndex reg);

  // reg = whether the branch will be taken, 0 or 1: of jcc by its condition, of loop and jrcxz by rcx. Changes flags.
  // `other` is used by loope and loopne.
  void taken(const Instr& instr, GprIndex reg, GprIndex other);

 private:
  void gs_indexed(uint8_t opcode, GprIndex reg, GprIndex index, uint32_t offset, bool wide = true);
  void and_constant(GprIndex reg, uint32_t value);  // 32 bits
  void shift_right(GprIndex reg, uint8_t bits);     // likewise
  void tick(GprIndex reg);
  void other_way(Emitter& cold, GprIndex s, GprIndex t, int64_t last);
  void other_line(Emitter& cold, uint32_t line, uint64_t set, const GprIndex* scratch);
  void compare_last(GprIndex s, int64_t last);
  void register_pair(uint8_t opcode, GprIndex reg, GprIndex rm, bool wide);
  void lea(GprIndex reg, const MemOperand& address);
  void address_of(const DataAccess& access, uint64_t next_pc, GprIndex s, GprIndex t);
  void call_slow_path(Emitter& cold, uint32_t number);
  void store_immediate(Emitter& to, uint32_t offset, uint32_t value);  // 32 bits
  // jcc to the cold area, where `fill` emits what leads to the slow path; then back here.
  template <typename Fill>
  void detour(uint8_t jcc, Fill fill);

  Emitter& out_;
};

}  // namespace vsup::agent::cachesim
