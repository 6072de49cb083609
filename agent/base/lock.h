// Purpose: the agent's one kind of lock, a futex word that knows its owner.
// Invariant: a thread that holds a lock is inside the agent, so the supervisor never moves it away. It may be killed
// there, though, while a vfork child goes on in the same memory: a lock whose owner has gone is taken over.
#pragma once

#include "agent/base/context.h"
#include "agent/base/syscall.h"

namespace vsup::agent {

// A thread whose id was not asked for; the kernel's are below 1 << 22 (PID_MAX_LIMIT, include/linux/threads.h).
inline constexpr uint32_t kUnknownThread = 1u << 30;

class Lock {
 public:
  void lock() {
    auto self = static_cast<uint32_t>(current_context()->tid);
    for (int spin = 0; spin < 200; ++spin) {
      if (exchange_if(0, self)) return;
      __builtin_ia32_pause();
    }
    for (;;) {
      uint32_t seen = __atomic_load_n(&word_, __ATOMIC_RELAXED);
      if (seen == 0) {
        if (exchange_if(0, self | kWaitedFor)) return;
        continue;
      }
      if ((seen & kWaitedFor) == 0 && !exchange_if(seen, seen | kWaitedFor)) continue;
      bool late = futex_wait(&word_, seen | kWaitedFor, kPatienceNanoseconds);
      const uint32_t owner = seen & ~kWaitedFor;
      if (late && owner != kUnknownThread && !thread_exists(owner) && exchange_if(seen | kWaitedFor, self | kWaitedFor))
        return;
    }
  }

  void unlock() {
    if ((__atomic_exchange_n(&word_, 0, __ATOMIC_RELEASE) & kWaitedFor) != 0) futex_wake(&word_);
  }

 private:
  static constexpr uint32_t kWaitedFor = 0x8000'0000;
  static constexpr uint64_t kPatienceNanoseconds = 100'000'000;

  bool exchange_if(uint32_t expected, uint32_t value) {
    return __atomic_compare_exchange_n(&word_, &expected, value, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }

  uint32_t word_ = 0;  // 0: free; else the owner's thread id, and kWaitedFor
};

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~LockGuard() { lock_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace vsup::agent
