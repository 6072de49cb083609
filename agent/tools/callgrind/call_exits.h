// Purpose: what the code at calls and returns borrows, and how it leaves for the tool: each place has an exit stub of
// its own, and all stubs of a kind pass one piece of code, their door, which gives back what was borrowed.
// Assumes: the engine lock.
#pragma once

#include "agent/engine/emitter.h"

namespace vsup::agent::callgrind {

// Cookies of tool exits, whose low bits tell them apart.
enum ExitKind : uint64_t {
  kExitNewCallee = 0,   // the rest is the address of the site's head record; the callee is in the first argument
  kExitNewNode = 1,     // the rest is the site's app pc, shifted; the key is in the first argument
  kExitNewCounter = 2,  // likewise
  kExitResolved = 3,    // as the first
  kExitReturn = 4,      // the rest is the site's app pc, shifted: the shadow stack has another return address on top
  kExitStale = 5,       // likewise, at a call: it has functions that were left by a jump
  kExitFlagged = 6,     // the rest is the address of the edge's record: a call of a function that options name
  kExitBudget = 7,      // the rest is the block's app pc, shifted: the thread's budget of blocks is used up
};
inline constexpr unsigned kExitKindBits = 3;

inline uint64_t cookie_of(ExitKind kind, AppPc pc) {
  return raw(pc) << kExitKindBits | kind;
}

// What inserted code has taken beside rax and rcx.
struct Borrowed {
  bool rdx = true;
  bool flags = true;
};
void borrow(Emitter& out, uint32_t offset, const Borrowed& what = {});
void restore_borrowed(Emitter& out, const Borrowed& what = {});

// What the tool finds in the first argument, and where the flags are.
enum class Door : unsigned {
  kPlain,       // nothing
  kKey,         // what was in rax
  kCallee,      // what was in rcx
  kDifference,  // what was in rcx before the negation of rax was added
  kReturn,      // nothing; the flags are in rax, as take_flags() puts them there
  kCount,
};

// Where the jump at `place` leads: to the tool, which starts the place anew at `retry`. Returns where the exit begins.
const uint8_t* emit_miss(uint8_t* place, uint64_t cookie, Door door, const uint8_t* retry, const Borrowed& what = {});

}  // namespace vsup::agent::callgrind
