// Purpose: the memory accesses and conditional branches of an instruction as Valgrind's intermediate code has them,
// which is what cachegrind counts. Differences from the hardware are cases in accesses.cpp. Assumes: `instr` comes from
// decode(). Promises: pure; freestanding and hosted.
#pragma once

#include "agent/x86/decoder.h"

namespace vsup::agent::cachesim {

enum class AddressKind : uint8_t {
  kPlain,         // at the operand's address
  kBitOffset,     // moved by a register's bits from 3 on, signed
  kBitRemainder,  // moved by a register's bits from 3 on, of its bit number within the operand
  kByteIndex,     // rbx + al
};

struct DataAccess {
  MemOperand address;
  uint16_t size;
  bool write;
  AddressKind kind;
  uint8_t bit_register;  // of kBitOffset and kBitRemainder
  uint8_t bit_size;      // bytes of that register
};

enum class Repetition : uint8_t { kNone, kCounted, kWhileEqual, kWhileUnequal };

inline constexpr unsigned kMaxAccesses = 40;

struct InstrAccesses {
  unsigned count;
  DataAccess access[kMaxAccesses];
  uint8_t untaken_branches;  // conditional ones that are never taken
  Repetition repetition;     // the accesses are those of one round
};

// Whether the instruction locks the bus: it has the prefix, or exchanges with memory.
bool locks_bus(const Instr& instr);

// `what` is from effects(); `most` is the most bytes that one access may have: the smallest line size. More is cut, as
// is what the encoding does not fix.
// `modify_writes`: what reads and writes an operand is one write, else one read.
void find_accesses(const Instr& instr, const Effects& what, unsigned most, bool modify_writes, InstrAccesses& out);

}  // namespace vsup::agent::cachesim
