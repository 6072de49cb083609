// Purpose: lets a tool touch memory that may not be there while the app has SIGSEGV or SIGBUS blocked, as it has in its
// own handlers of them: a fault is a forced signal, for which the kernel would make the default of a blocked one's
// handler. Unblocked it goes to the supervisor alone, which drops it. One that somebody has sent and that comes
// meanwhile is queued again when it is delivered. Only apps that handle them can tell; one that has its system calls
// filtered might not survive ours. Source: force_sig_info_to_task and ptrace_signal in kernel/signal.c.
#pragma once

#include "agent/base/syscall.h"

namespace vsup::agent {

// What the app has done that concerns faults. Filters stay for ever.
inline void want_fault_guarding(protocol::FaultGuarding wanted) {
  if (!calls_are_filtered()) vsup_settings.guard_faults = wanted;
}

// It is about to be given a handler by sigaction, or rt_sigaction; `signal` has 32 bits.
inline void note_signal_action(uint64_t signal, uint64_t action) {
  if ((signal == protocol::kSigsegv || signal == protocol::kSigbus) && action != 0)
    want_fault_guarding(protocol::kGuardFaults);
}

// Of prctl.
inline void note_process_control(uint64_t operation) {
  constexpr uint64_t kSetSeccomp = 22;  // linux/prctl.h
  if (operation == kSetSeccomp) want_fault_guarding(protocol::kFaultsFiltered);
}

// Of the fault signals those that were blocked.
inline uint64_t unblock_faults() {
  if (vsup_settings.guard_faults != protocol::kGuardFaults) return 0;
  return unblock_signals(protocol::kFaultSignals) & protocol::kFaultSignals;
}

class FaultGuard {
 public:
  FaultGuard() : blocked_(unblock_faults()) {}
  ~FaultGuard() {
    if (blocked_ != 0) block_signals(blocked_);
  }
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

 private:
  uint64_t blocked_;
};

}  // namespace vsup::agent
