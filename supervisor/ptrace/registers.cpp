#include "supervisor/ptrace/registers.h"

#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

namespace vsup::supervisor {

namespace {

constexpr size_t kGprOffsets[16] = {
    offsetof(Registers, rax), offsetof(Registers, rcx), offsetof(Registers, rdx), offsetof(Registers, rbx),
    offsetof(Registers, rsp), offsetof(Registers, rbp), offsetof(Registers, rsi), offsetof(Registers, rdi),
    offsetof(Registers, r8),  offsetof(Registers, r9),  offsetof(Registers, r10), offsetof(Registers, r11),
    offsetof(Registers, r12), offsetof(Registers, r13), offsetof(Registers, r14), offsetof(Registers, r15),
};

}  // namespace

uint64_t get_gpr(const Registers& registers, unsigned index) {
  return *reinterpret_cast<const unsigned long long*>(reinterpret_cast<const char*>(&registers) + kGprOffsets[index]);
}

void set_gpr(Registers& registers, unsigned index, uint64_t value) {
  *reinterpret_cast<unsigned long long*>(reinterpret_cast<char*>(&registers) + kGprOffsets[index]) = value;
}

bool is_interrupted_syscall(const Registers& registers) {
  if (static_cast<int64_t>(registers.orig_rax) < 0) return false;
  switch (-static_cast<int64_t>(registers.rax)) {
    case kErestartSys:
    case kErestartNoIntr:
    case kErestartNoHand:
    case kErestartRestartBlock:
      return true;
  }
  return false;
}

bool is_eintr_of_unrestarted_syscall(const Registers& registers) {
  if (static_cast<int64_t>(registers.rax) != -EINTR) return false;
  switch (static_cast<int64_t>(registers.orig_rax)) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_io_uring_enter:
    case SYS_read:  // inotify and a few drivers
      return true;
  }
  return false;
}

void rewind_interrupted_syscall(Registers& registers, uint64_t syscall_pc) {
  registers.rip = syscall_pc;
  registers.rax = static_cast<int64_t>(registers.rax) == -kErestartRestartBlock
                      ? static_cast<uint64_t>(SYS_restart_syscall)
                      : registers.orig_rax;
  registers.orig_rax = ~uint64_t{0};
}

}  // namespace vsup::supervisor
