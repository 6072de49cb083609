// Purpose: the dispatcher's lock, and requests that end in the supervisor.
#pragma once

#include "agent/base/lock.h"
#include "protocol/agent_boot.h"

namespace vsup::agent {

// Guards the code cache and its tables.
extern Lock engine_lock;

// Prepares `service` and returns the action that stops at the service trap.
int request_service(protocol::ThreadContext& ctx, protocol::Service service);

// The fragment entry for ctx.app_pc if it is translated, else the agent's entry: where a system call returns to.
uint64_t continuation(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent
