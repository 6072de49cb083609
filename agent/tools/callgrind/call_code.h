// Purpose: the inserted code that keeps the shadow stack: at calls, at jumps into other functions, at returns.
#pragma once

#include "agent/engine/rules.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// What the records keep, as the options ask.
struct CountMode {
  bool tree = false;      // calls are counted by node of the calling-context tree, not by edge
  bool contexts = false;  // blocks are counted by context
};

// Cookies of tool exits, whose low bits tell them apart.
enum ExitKind : uint64_t {
  kExitNewCallee = 0,   // the rest is the address of the site's head record; the callee is in the first argument
  kExitNewNode = 1,     // the rest is the site's app pc, shifted; the key is in the first argument
  kExitNewCounter = 2,  // likewise
};
inline constexpr unsigned kExitKindBits = 3;

// One execution of the block at `pc` counts: `block` is its index, `instructions` its Ir.
struct CountedBlock {
  uint32_t index;
  uint32_t instructions;
  uint64_t pc;
  bool flags_dead;
};
void emit_count(Emitter& out, const CountMode& mode, const CountedBlock& block, const Source& source);

// A call or jump whose callee is known.
void emit_direct_edge(Emitter& out, const CountMode& mode, uint32_t edge, bool is_call, const Source& source);

// A call or jump through a register or memory; `head` starts the chain of its callees.
void emit_indirect_edge(Emitter& out, const CountMode& mode, const Source& source, EdgeRecord* head, bool is_call);

// A return: leaves every function entered at or below the stack pointer.
void emit_return(Emitter& out, const CountMode& mode, uint32_t offset);

}  // namespace vsup::agent::callgrind
