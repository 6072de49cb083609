// Purpose: lets a tool touch memory that may not be there while the app has SIGSEGV or SIGBUS blocked, as it has in its
// own handlers of them: a fault is a forced signal, for which the kernel would make the default of a blocked one's
// handler. Unblocked it goes to the supervisor alone, which drops it. One that somebody has sent and that comes
// meanwhile is queued again when it is delivered. Only apps that handle them can tell; one that has its system calls
// filtered might not survive ours. Source: force_sig_info_to_task and ptrace_signal in kernel/signal.c.
#pragma once

#include "agent/base/syscall.h"
#include "agent/engine/code_cache.h"

namespace vsup::agent {

inline constexpr uint64_t kSigsegv = 11, kSigbus = 7;

class FaultGuard {
 public:
  FaultGuard() {
    if (vsup_settings.guard_faults != protocol::kGuardFaults) return;
    constexpr uint64_t kUnblock = 1;
    uint64_t former = 0;
    change(kUnblock, kFaults, &former);
    blocked_ = former & kFaults;
  }
  ~FaultGuard() {
    constexpr uint64_t kBlock = 0;
    if (blocked_ != 0) change(kBlock, blocked_, nullptr);
  }
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

 private:
  static constexpr uint64_t kFaults = uint64_t{1} << (kSigsegv - 1) | uint64_t{1} << (kSigbus - 1);

  static void change(uint64_t how, uint64_t mask, uint64_t* former) {
    constexpr int64_t kRtSigprocmask = 14;
    raw_syscall(kRtSigprocmask, how, reinterpret_cast<uint64_t>(&mask), reinterpret_cast<uint64_t>(former),
                sizeof mask);
  }

  uint64_t blocked_ = 0;
};

}  // namespace vsup::agent
