// Purpose: the inserted code that finds an access's line in the simulated I1 or D1 and notes when it was used, and
// leaves for the slow path when it does not. Assumes: the app's flags are saved or dead where it is placed; scratch
// registers are spilled. Promises: encodings live here and nowhere else.
#pragma once

#include "agent/engine/rules.h"
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

using protocol::GprIndex;

class Code {
 public:
  explicit Code(Emitter& out) : out_(out) {}

  // The thread's clock is in `reg` from here on, but for the slow path; and in the thread's state again. Fetches and
  // data accesses need it there, where the use of lines is not told.
  void load_clock(GprIndex reg);
  void store_clock();

  // A fetch. `checks_first`: the first of two lines is not known to be the last used of its set.
  void fetch(const Descriptor& place, uint32_t number, bool checks_first);

  // A data access. The displacement of `access` is that from the registers as they are here. Uses `s` and `t`. `number`
  // is what ThreadState::descriptor takes.
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
  void tick();
  void compare_last(GprIndex s, int64_t last);
  void register_pair(uint8_t opcode, GprIndex reg, GprIndex rm, bool wide);
  void lea(GprIndex reg, const MemOperand& address);
  void address_of(const DataAccess& access, uint64_t next_pc, GprIndex s, GprIndex t);
  void call_slow_path(Emitter& to, uint32_t number, const Descriptor* fetch = nullptr);
  void return_from_slow_path(Emitter& cold, uint32_t number, const Descriptor* fetch = nullptr);
  void store_immediate(Emitter& to, uint32_t offset, uint32_t value);  // 32 bits

  Emitter& out_;
  GprIndex clock_{};  // where keeps_clock_
  bool keeps_clock_ = false;
};

}  // namespace vsup::agent::cachesim
