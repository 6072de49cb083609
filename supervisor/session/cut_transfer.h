// Purpose: transfers that the kernel ends early for any interruption, a tracer's included, though natively they would
// have gone on: what is left of one, as a system call of its own.
// Source: measured on Linux 6.18 by tests/victims/toggle/large_transfers.c: writes to pipes, terminals and stream
// sockets, sendfile to a socket, MSG_WAITALL, getrandom, and reads of memory devices return what they have. Not among
// them, because they may return less natively: splice, tee, vmsplice, sendfile to a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "supervisor/ptrace/registers.h"

namespace vsup::supervisor {

struct SystemCall {
  uint64_t number;
  uint64_t arguments[6];
};

// The thread stands at the exit of such a call, which has transferred something. Cheap: looks at registers alone.
bool may_be_cut_short(const Registers& registers);

// What is left to do for a thread of `pid` that stands there; none when all was done, or when the call might have
// returned as much natively (a non-blocking descriptor, a file that is another kind of thing).
std::optional<SystemCall> rest_of_transfer(pid_t pid, pid_t tid, const Registers& registers);

}  // namespace vsup::supervisor
