// Purpose: the agent's one kind of lock, a futex word.
// Invariant: a thread that holds a lock is inside the agent, so the supervisor never moves it away.
#pragma once

#include "agent/base/syscall.h"

namespace vsup::agent {

class Lock {
 public:
  void lock() {
    uint32_t expected = 0;
    if (__atomic_compare_exchange_n(&word_, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    for (int spin = 0; spin < 200; ++spin) {
      expected = 0;
      if (__atomic_compare_exchange_n(&word_, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
      __builtin_ia32_pause();
    }
    while (__atomic_exchange_n(&word_, 2, __ATOMIC_ACQUIRE) != 0) futex_wait(&word_, 2);
  }

  void unlock() {
    if (__atomic_exchange_n(&word_, 0, __ATOMIC_RELEASE) == 2) futex_wake(&word_);
  }

 private:
  uint32_t word_ = 0;  // 0 free, 1 held, 2 held and waited for
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
