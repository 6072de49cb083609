// Purpose: has a stopped thread make system calls or call a function, and puts its registers back.
// Assumes: the thread is stopped at a point where it returns to user mode with the registers that we set, that is
// anywhere but at PTRACE_EVENT_{EXEC,CLONE,FORK,VFORK} (see leave_event_stop).
// Promises: registers are restored by the destructor, interrupted system calls included (orig_rax goes with them).
// Signals that come meanwhile are appended to Tracee::held. Afterwards the thread is in a signal-delivery-stop, or, if
// the app ignores SIGTRAP, in one of PTRACE_INTERRUPT: our traps have made that the default, and it is ignored again.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "supervisor/ptrace/tracee.h"

namespace vsup::supervisor {

class RemoteCalls {
 public:
  // `syscall_pc`: address of a `syscall` instruction in the tracee.
  RemoteCalls(Tracee& tracee, uint64_t syscall_pc);
  ~RemoteCalls();
  RemoteCalls(const RemoteCalls&) = delete;
  RemoteCalls& operator=(const RemoteCalls&) = delete;

  // The kernel's answer, negative errno included.
  int64_t syscall(long number, std::initializer_list<uint64_t> arguments);

  // Runs void(void) at `function` on the stack below `stack_top`; it returns to `return_trap`, an int3.
  void call(uint64_t function, uint64_t stack_top, uint64_t gs_base, uint64_t return_trap);

  const Registers& saved() const { return saved_; }

 private:
  Tracee& tracee_;
  uint64_t syscall_pc_;
  Registers saved_;
  bool owns_trap_ = false;
  bool ignores_trap_ = false;
};

// By /proc, that is, as far as no trap of ours has made it the default.
bool ignores_trap_now(pid_t tid);

// Any trap of ours makes the default of a SIGTRAP that the app ignores; this ignores it again, and must not trap. The
// thread is then in a stop of PTRACE_INTERRUPT, from which the kernel acts on restart codes as from the one before.
void ignore_trap_again(Tracee& tracee, uint64_t syscall_pc);

// From PTRACE_EVENT_EXEC (still inside the system call) on to the system call's exit, where registers can be set.
void leave_event_stop(Tracee& tracee);

// The current stop is one where PTRACE_CONT can inject a signal with PTRACE_SETSIGINFO.
// (The stop after a handler's frame was built under PTRACE_SINGLESTEP is not: its si_code is SIGTRAP.)
bool can_inject_signal(Tracee& tracee);

// Executes one instruction on the way to where the thread can be moved; what comes instead is held, or noted.
void step_and_hold(Tracee& tracee);

// Takes the SIGTRAP of an int3 that the thread has executed and not yet reported, from any other stop. False: no such.
bool take_queued_breakpoint(Tracee& tracee);

// Takes the signal of a signal-delivery-stop into `held`, unless it is a trap of our own making.
void hold_signal_of_stop(Tracee& tracee);

// Unless one waits already: standard signals do not queue, and the second would come while the first one's handler
// blocks it.
void hold_signal(Tracee& tracee, const HeldSignal& signal);

}  // namespace vsup::supervisor
