// Purpose: how many system calls each instruction makes, and how long they take, as events of the simulation.
// Assumes: called by the thread in the dispatcher. Promises: nothing happens unless they were asked for.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::cachesim {

bool counts_system_calls();

// The thread is about to make the one at whose site it stands.
void system_call_starts(const protocol::ThreadContext& ctx);

// It has come back from it; nothing when it has made none.
void system_call_ended(const protocol::ThreadContext& ctx);

// What is under way does not count: it ends in native code, or in a fork's child.
void system_call_forgotten(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent::cachesim
