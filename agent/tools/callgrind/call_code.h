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
  // Of a call through an entry of a linkage table whose slot has the callee's address, and may get another one.
  EdgeRecord* slot_record = nullptr;
  uint64_t slot = 0;
  uint32_t passed_ir = 0;  // the entry's
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

// Whether the site's code looks into the bucket for callees; it is made to where there is room.
bool searches_callees(EdgeRecord& head);

// A call or jump to a function that options name: the tool is told of each.
void emit_flagged_edge(Emitter& out, EdgeRecord* edge, const Source& source);

// Counts at kCallsOffset.
void emit_jump_count(Emitter& out, uint32_t edge, const Source& source);

// The dynamic linker goes on to the function that it was called for: the tool is told of each.
void emit_resolved_jump(Emitter& out, EdgeRecord* head, const Source& source);

// At the jump of a linkage table's entry: collection is switched if that was put off up to here.
void emit_due_toggle(Emitter& out, const Source& source);

// What lies between is executed when the conditional jump is going to be taken.
uint8_t* emit_if_taken(Emitter& out, const Source& source);
void end_if_taken(const Emitter& out, uint8_t* place);

// A return: leaves the topmost function, and those that jumped to it.
void emit_return(Emitter& out, const CountMode& mode, const Source& source);

}  // namespace vsup::agent::callgrind
