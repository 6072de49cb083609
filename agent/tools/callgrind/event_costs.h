// Purpose: with simulation, the inclusive cost of calls in every simulated event (records.h, rows of event costs).
// Assumes: called for each function that is entered or left and each change of the stack. Promises: nothing happens
// without simulation.
#pragma once

#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// From the settings, once.
void configure_event_costs();
bool has_event_costs();

// What inserted code calls by step_call: the function of the topmost frame was entered, or is about to be left.
#pragma GCC visibility push(hidden)
extern "C" {
void vsup_function_entered();
void vsup_function_leaves();
}
#pragma GCC visibility pop

// The same for the agent.
void function_entered(const protocol::ThreadContext& ctx);
void function_leaves(const protocol::ThreadContext& ctx);

// With no room left in the tree the topmost frame's cost has become another's.
void cost_moved(const protocol::ThreadContext& ctx, uint32_t from);

// Everything on the stack that the thread runs on, from `bottom` on, stops costing or goes on.
void stack_parked(const protocol::ThreadContext& ctx, uint64_t bottom);
void stack_resumed(const protocol::ThreadContext& ctx, uint64_t bottom);

// A stack whose thread is gone without leaving its functions.
void stack_abandoned(const protocol::ThreadContext& ctx, const StackRecord& stack);

// Empties the thread's rows.
void clear_event_costs(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent::callgrind
