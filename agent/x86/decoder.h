// Purpose: the encoding-level decoder of every instruction a 64-bit program can execute.
// Assumes: nothing; any byte string may be given. Promises: reads at most `size` bytes, never more than 15; no state,
// no allocation; freestanding. Two speeds: decode() is what each translated instruction pays, effects() is for those
// who ask.
#pragma once

#include "agent/x86/instr.h"

namespace vsup::agent {

// Decodes the instruction at `bytes`, which runs at address `pc` (for branch targets). Returns false, with length 0,
// when the bytes are no valid instruction or `size` bytes do not hold all of it.
bool decode(const uint8_t* bytes, size_t size, uint64_t pc, Instr& instr);

// What `instr` reads and writes. `instr` must come from decode(). Where an access is not simply at its address:
// - bt, bts, btr, btc with a register as bit number: that register's upper bits move it by whole operands;
// - pop to memory with rsp as base: rsp is the value after the pop;
// - xlat: the index is al alone; clzero: the address is rounded down to 64;
// - gathers and scatters: one access of `size` for each element that the mask lets through;
// - rep strings: rcx accesses of `size`, upward or downward by the direction flag;
// - masked and maskmov accesses touch some of the `size` bytes.
void effects(const Instr& instr, Effects& out);

// The flags of effects() alone, at a fraction of its price.
FlagUse flag_use(const Instr& instr);

}  // namespace vsup::agent
