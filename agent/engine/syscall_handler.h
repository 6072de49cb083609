// Purpose: how the dispatcher reaches the layer above that knows system calls.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent {

// Decides what becomes of the system call at ctx.syscall_pc, whose registers are in `ctx`; ctx.app_pc is already the
// instruction after it. Called without the engine lock. Returns a VSUP_ACTION_* value, or kDispatchAgain when the call
// has been emulated and the thread goes on at ctx.app_pc.
using SyscallHandler = int (*)(protocol::ThreadContext& ctx);
inline constexpr int kDispatchAgain = -1;

// Called in both processes after a VSUP_ACTION_FORK.
using AfterForkHandler = void (*)();

void set_syscall_handler(SyscallHandler handler, AfterForkHandler after_fork);

}  // namespace vsup::agent
