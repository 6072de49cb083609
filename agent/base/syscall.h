// Purpose: the few system calls that the agent makes for itself.
#pragma once

#include <stdint.h>

#include "agent/base/settings.h"

namespace vsup::agent {

inline int64_t raw_syscall(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  int64_t result;
  register uint64_t r10 asm("r10") = d;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}

// Numbers: arch/x86/entry/syscalls/syscall_64.tbl. FUTEX_WAIT_PRIVATE 128, FUTEX_WAKE_PRIVATE 129, ETIMEDOUT 110,
// ESRCH 3.

// Waits while the word is `value`; true when the time (less than a second) ran out. Nobody sleeps where calls are
// filtered, so nobody needs to be woken there: it returns at once, or, asleep since before, when its time has run out.
inline bool futex_wait(uint32_t* word, uint32_t value, uint64_t nanoseconds) {
  if (calls_are_filtered()) {
    __builtin_ia32_pause();
    return false;
  }
  uint64_t timeout[2] = {0, nanoseconds};
  return raw_syscall(202, reinterpret_cast<uint64_t>(word), 128, value, reinterpret_cast<uint64_t>(timeout)) == -110 &&
         !calls_are_filtered();
}
inline void futex_wake(uint32_t* word) {
  if (!calls_are_filtered()) raw_syscall(202, reinterpret_cast<uint64_t>(word), 129, 1, 0);
}

// madvise: MADV_DONTNEED, after which a private mapping without a file is zeros, and MADV_HUGEPAGE
// (asm-generic/mman-common.h).
inline void zero_pages(uint64_t start, uint64_t size) {
  raw_syscall(28, start, size, 4, 0);
}
inline void ask_for_huge_pages(uint64_t start, uint64_t size) {
  raw_syscall(28, start, size, 14, 0);
}

// Of the calling thread, as bits of a signal mask; each returns the former mask. SIG_BLOCK 0, SIG_UNBLOCK 1,
// SIG_SETMASK 2.
inline uint64_t change_signal_mask(uint64_t how, uint64_t signals) {
  uint64_t former = 0;
  raw_syscall(14, how, reinterpret_cast<uint64_t>(&signals), reinterpret_cast<uint64_t>(&former), sizeof former);
  return former;
}
inline uint64_t block_signals(uint64_t signals) {
  return change_signal_mask(0, signals);
}
inline uint64_t unblock_signals(uint64_t signals) {
  return change_signal_mask(1, signals);
}
inline uint64_t set_signal_mask(uint64_t signals) {
  return change_signal_mask(2, signals);
}

// struct kernel_sigaction; handler 0: the default, 1: ignored.
struct SignalAction {
  uint64_t handler, flags, restorer, mask;
};
inline constexpr uint64_t kSignalDefault = 0, kSignalIgnored = 1;
inline SignalAction signal_action(uint64_t signal) {
  SignalAction action{};
  raw_syscall(13, signal, 0, reinterpret_cast<uint64_t>(&action), sizeof action.mask);
  return action;
}
inline void set_signal_action(uint64_t signal, const SignalAction& action) {
  raw_syscall(13, signal, reinterpret_cast<uint64_t>(&action), 0, sizeof action.mask);
}

inline uint64_t own_thread_id() {
  return static_cast<uint64_t>(raw_syscall(186, 0, 0, 0, 0));
}
// 0: not known. /proc/self/task has two links and one for each thread (fs/proc/base.c); st_nlink is the third word of
// struct stat.
inline uint64_t own_thread_count() {
  uint64_t status[18] = {};
  if (raw_syscall(4, reinterpret_cast<uint64_t>("/proc/self/task"), reinterpret_cast<uint64_t>(status), 0, 0) != 0)
    return 0;
  return status[2] > 2 ? status[2] - 2 : 0;
}
inline bool thread_exists(uint32_t tid) {
  return raw_syscall(200, tid, 0, 0, 0) != -3;
}

}  // namespace vsup::agent
