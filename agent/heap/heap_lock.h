// Purpose: the lock of the heap layer's structures: unlike base/lock.h it needs no thread context, since native threads
// have none.
// Invariant: no signal handler runs in a thread that holds one, and no thread is stopped for long that does: the
// supervisor lets a thread leave the agent first.
#pragma once

#include "agent/base/syscall.h"
#include "agent/heap/heap_alone.h"

namespace vsup::agent {

class HeapLock {
 public:
  void lock() {
    if (exchange_if_free(kTaken)) return;
    for (int spin = 0; spin < 100; ++spin) {
      __builtin_ia32_pause();
      if (exchange_if_free(kTaken)) return;
    }
    while (__atomic_exchange_n(&word_, kWaitedFor, __ATOMIC_ACQUIRE) != kFree)
      futex_wait(&word_, kWaitedFor, kPatienceNanoseconds);
  }

  void unlock() {
    if (__atomic_exchange_n(&word_, kFree, __ATOMIC_RELEASE) == kWaitedFor) futex_wake(&word_);
  }

 private:
  static constexpr uint32_t kFree = 0, kTaken = 1, kWaitedFor = 2;
  static constexpr uint64_t kPatienceNanoseconds = 100'000'000;

  bool exchange_if_free(uint32_t value) {
    uint32_t expected = kFree;
    return __atomic_compare_exchange_n(&word_, &expected, value, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }

  uint32_t word_;  // 0 in fresh memory: free
};

class HeapLockGuard {
 public:
  explicit HeapLockGuard(HeapLock& lock) : lock_(lock), needed_(!heap_alone()) {
    if (needed_) lock_.lock();
  }
  ~HeapLockGuard() {
    if (needed_) lock_.unlock();
  }
  HeapLockGuard(const HeapLockGuard&) = delete;
  HeapLockGuard& operator=(const HeapLockGuard&) = delete;

 private:
  HeapLock& lock_;
  const bool needed_;  // a second thread is not born while the only one holds a lock
};

}  // namespace vsup::agent
