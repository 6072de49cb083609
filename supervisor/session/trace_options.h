// Purpose: how processes are seized, and why that may fail.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <string>

namespace vsup::supervisor {

inline constexpr unsigned long kTraceOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                                               PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                                               PTRACE_O_TRACEVFORKDONE;

// One clause that names the setting: traced already, someone else's, Yama, seccomp, no capability.
std::string explain_trace_failure(pid_t pid, int error);

}  // namespace vsup::supervisor
