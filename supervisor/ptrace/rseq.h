// Purpose: restartable sequences (rseq) of a stopped thread: what is registered, and the abort that a move out of one
// calls for.
// Source: include/uapi/linux/rseq.h and ptrace.h, kernel/rseq.c, Linux 6.18; PTRACE_GET_RSEQ_CONFIGURATION since 5.13.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "supervisor/ptrace/registers.h"

namespace vsup::supervisor {

// Address of the thread's struct rseq; none when it has not registered one.
std::optional<uint64_t> rseq_area(pid_t tid);

// Address of the struct rseq_cs that the thread has named last; none or 0 when there is none.
std::optional<uint64_t> rseq_sequence(pid_t tid);

// In the middle of a sequence, as the kernel does when the thread is preempted: `registers` go to its abort address.
// To be asked before the thread is sent elsewhere: there the kernel forgets the sequence without aborting it.
void abort_sequence(pid_t tid, Registers& registers);

}  // namespace vsup::supervisor
