// Purpose: the inserted code that keeps the shadow stack: at calls, at jumps into other functions, at returns.
#pragma once

#include "agent/engine/rules.h"
#include "agent/tools/cachesim/instrument.h"
#include "agent/tools/callgrind/function_starts.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// What the records keep, as the options ask.
struct CountMode {
  bool tree = false;      // calls are counted by node of the calling-context tree, not by edge
  bool contexts = false;  // blocks are counted by context
  bool events = false;    // calls have costs in simulated events, too
  bool acts = false;      // something is done at calls and ends of functions that options name
  bool budget = false;    // blocks are counted down at kBudgetOffset
  bool collect = false;   // only while the thread's word at kCollectOffset is set
};

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

// One execution of the block at `pc` counts: `block` is its index, `instructions` its Ir.
struct CountedBlock {
  uint32_t index;
  uint32_t instructions;
  uint64_t pc;
  bool flags_dead;
  cachesim::BlockTotals totals;  // with simulation
};
void emit_count(Emitter& out, const CountMode& mode, const CountedBlock& block, const Source& source);

// A call or jump whose callee is known.
struct DirectEdge {
  uint32_t index;
  bool is_call;
  bool counted;     // its calls are not the block's executions
  bool flags_dead;  // after it
};
void emit_direct_edge(Emitter& out, const CountMode& mode, const DirectEdge& edge, const Source& source);

// A call or jump through a register or memory.
struct IndirectEdge {
  EdgeRecord* head;  // its callees are found by it
  bool is_call;
  uint64_t slot;         // a direct one to an entry of a linkage table: the word that the entry jumps through; or 0
  uint32_t passed_ir;    // of that entry
  FunctionRange inside;  // where it may lead without leaving the function; empty: nowhere
  bool is_jump = false;  // within the function: is counted, and calls nothing
};
void emit_indirect_edge(Emitter& out, const CountMode& mode, const IndirectEdge& edge, const Source& source);

// A call or jump to a function that options name: the tool is told of each. edge->block is where it goes on.
void emit_flagged_edge(Emitter& out, EdgeRecord* edge, const Source& source);

// Counts at kCallsOffset.
void emit_jump_count(Emitter& out, uint32_t edge, const Source& source);

// The dynamic linker goes on to the function that it was called for: the tool is told of each.
void emit_resolved_jump(Emitter& out, EdgeRecord* head, const Source& source);

// What lies between is executed when the conditional jump is going to be taken.
uint8_t* emit_if_taken(Emitter& out, const Source& source);
void end_if_taken(const Emitter& out, uint8_t* place);

// A return: leaves the topmost function, and those that jumped to it.
void emit_return(Emitter& out, const CountMode& mode, const Source& source);

}  // namespace vsup::agent::callgrind
