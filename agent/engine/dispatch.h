// Purpose: the dispatcher's lock, and requests that end in the supervisor.
#pragma once

#include "agent/base/lock.h"
#include "protocol/agent_boot.h"

namespace vsup::agent {

// Guards the code cache and its tables.
extern Lock engine_lock;

// Prepares `service` and returns the action that stops at the service trap.
int request_service(protocol::ThreadContext& ctx, protocol::Service service);

// Asked at each entry whether ctx.app_pc is a place of a layer above, which then does what is to be done there: returns
// kDispatchAgain when the thread goes on at another ctx.app_pc, a VSUP_ACTION_* value, or kNotWatched. Called without
// the engine lock. None at first.
inline constexpr int kNotWatched = -2;
void set_entry_watch(int (*watch)(protocol::ThreadContext& ctx));
bool watches_entries();

// The fragment entry for ctx.app_pc if it is translated, else the agent's entry: where a system call returns to.
uint64_t continuation(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent
