#include "supervisor/ptrace/remote_syscall.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <array>

#include <algorithm>

#include "supervisor/base/check.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor {

namespace {

constexpr int kMaxDisturbances = 1000;
constexpr int kFirstQueuedSignal = 32;  // the kernel's SIGRTMIN

// A single-step's trap: TRAP_TRACE, or TRAP_BRKPT at the exit of a system call.
bool is_step_trap(const siginfo_t& info) {
  return info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT;
}

bool is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGTRAP;
}

}  // namespace

RemoteCalls::RemoteCalls(Tracee& tracee, uint64_t syscall_pc)
    : tracee_(tracee), syscall_pc_(syscall_pc), saved_(tracee.registers()) {
  owns_trap_ = !tracee.trap_unblocked;
  ignores_trap_ = ignores_trap_now(tracee.tid);
  tracee.take_over_wait_mask(saved_);
  if (owns_trap_) tracee.unblock_trap();
}

RemoteCalls::~RemoteCalls() {
  if (tracee_.gone || !tracee_.stopped) return;
  try {
    tracee_.set_registers(saved_);
    if (ignores_trap_) ignore_trap_again(tracee_, syscall_pc_);
    if (owns_trap_) tracee_.reblock_trap();
  } catch (...) {
    // It has gone; whoever touches it next learns so.
  }
}

int64_t RemoteCalls::syscall(long number, std::initializer_list<uint64_t> arguments) {
  Registers registers = saved_;
  unsigned long long* const slots[] = {&registers.rdi, &registers.rsi, &registers.rdx,
                                       &registers.r10, &registers.r8,  &registers.r9};
  unsigned index = 0;
  for (const uint64_t argument : arguments) *slots[index++] = argument;
  registers.rax = static_cast<uint64_t>(number);
  registers.orig_rax = ~uint64_t{0};
  registers.rip = syscall_pc_;
  tracee_.set_registers(registers);
  for (int disturbance = 0; disturbance < kMaxDisturbances; ++disturbance) {
    tracee_.step();
    tracee_.wait_for_stop();
    if (tracee_.stop.kind() == WaitStatus::Kind::kSignal) {
      const siginfo_t info = tracee_.signal_info();
      // A SIGTRAP that somebody sent hides the step's: standard signals do not queue.
      if (tracee_.stop.signal() != SIGTRAP || !is_step_trap(info))
        tracee_.held.push_back({tracee_.stop.signal(), info});
    }
    if (tracee_.stop.kind() == WaitStatus::Kind::kGroupStop) tracee_.group_stopped = true;
    const Registers after = tracee_.registers();
    if (after.rip == syscall_pc_ + 2) {
      const bool may_inject = tracee_.stop.kind() == WaitStatus::Kind::kSignal;
      if (may_inject && !is_interrupted_syscall(after)) return static_cast<int64_t>(after.rax);
      if (!may_inject) continue;  // the step's trap is still to come
    }
    VS_CHECK(after.rip == syscall_pc_ || is_interrupted_syscall(after), tracee_);
    // Otherwise something that was under way came first: the instruction is still to be executed.
  }
  VS_CHECK(!"a remote system call completes", tracee_);
  return 0;
}

void RemoteCalls::call(uint64_t function, uint64_t stack_top, uint64_t gs_base, uint64_t return_trap) {
  Registers registers = saved_;
  registers.rsp = (stack_top & ~uint64_t{15}) - 8;
  tracee_.write_as<uint64_t>(registers.rsp, return_trap);
  registers.rip = function;
  registers.gs_base = gs_base;
  registers.eflags &= ~uint64_t{0x40500};  // AC, DF, TF
  registers.orig_rax = ~uint64_t{0};
  tracee_.set_registers(registers);
  for (int disturbance = 0; disturbance < kMaxDisturbances; ++disturbance) {
    tracee_.cont();
    tracee_.wait_for_stop();
    if (tracee_.stop.kind() == WaitStatus::Kind::kSignal) {
      const siginfo_t info = tracee_.signal_info();
      const uint64_t pc = tracee_.registers().rip;
      if (tracee_.stop.signal() == SIGTRAP && pc == return_trap + 1) {
        if (info.si_code <= 0) tracee_.held.push_back({SIGTRAP, info});  // sent by somebody, hides the trap
        return;
      }
      // A fault of the function itself would repeat for ever; one that was queued before belongs to the app.
      VS_CHECK(info.si_code <= 0 || pc == function || !is_fault(tracee_.stop.signal()), tracee_);
      tracee_.held.push_back({tracee_.stop.signal(), info});
    }
    if (tracee_.stop.kind() == WaitStatus::Kind::kGroupStop) tracee_.group_stopped = true;
  }
  VS_CHECK(!"a remote call returns", tracee_);
}

void leave_event_stop(Tracee& tracee) {
  for (int disturbance = 0; disturbance < kMaxDisturbances; ++disturbance) {
    tracee.step_to_syscall_exit();
    tracee.wait_for_stop();
    if (tracee.stop.kind() == WaitStatus::Kind::kSyscallStop) return;
    if (tracee.stop.kind() == WaitStatus::Kind::kSignal) hold_signal_of_stop(tracee);
    if (tracee.stop.kind() == WaitStatus::Kind::kGroupStop) tracee.group_stopped = true;
  }
  VS_CHECK(!"the system call ends", tracee);
}

bool ignores_trap_now(pid_t tid) {
  const auto status = read_status_of(tid);
  return status && (status->ignored & kTrapBit) != 0;
}

void ignore_trap_again(Tracee& tracee, uint64_t syscall_pc) {
  constexpr uint64_t kRedZone = 128, kMaskSize = 8;
  const std::array<uint64_t, 4> action = {1, 0, 0, 0};  // struct kernel_sigaction with SIG_IGN
  const Registers saved = tracee.registers();
  tracee.take_over_wait_mask(saved);
  const uint64_t address = (saved.rsp - kRedZone - sizeof action) & ~uint64_t{15};
  std::array<uint64_t, 4> below{};
  if (!read_value(tracee.tid, address, below) || !write_value(tracee.tid, address, action)) return;  // it has no stack
  Registers call = saved;
  call.rax = SYS_rt_sigaction;
  call.rdi = SIGTRAP;
  call.rsi = address;
  call.rdx = 0;
  call.r10 = kMaskSize;
  call.orig_rax = ~uint64_t{0};
  call.rip = syscall_pc;
  tracee.set_registers(call);
  leave_event_stop(tracee);  // to the entry
  leave_event_stop(tracee);  // to the exit
  // Only from a stop behind it the kernel acts on restart codes again.
  do {
    tracee.interrupt();
    tracee.cont();
    tracee.wait_for_stop();
    if (tracee.stop.kind() == WaitStatus::Kind::kSignal) hold_signal_of_stop(tracee);
    if (tracee.stop.kind() == WaitStatus::Kind::kGroupStop) tracee.group_stopped = true;
  } while (tracee.stop.kind() == WaitStatus::Kind::kSyscallStop);
  tracee.write_as(address, below);
  tracee.set_registers(saved);
}

bool can_inject_signal(Tracee& tracee) {
  if (tracee.stop.kind() != WaitStatus::Kind::kSignal) return false;
  return tracee.stop.signal() != SIGTRAP || tracee.signal_info().si_code != SIGTRAP;
}

void step_and_hold(Tracee& tracee) {
  tracee.unblock_trap();
  tracee.step();
  tracee.wait_for_stop();
  tracee.step_trap_due = tracee.stop.kind() != WaitStatus::Kind::kSignal;
  if (tracee.stop.kind() == WaitStatus::Kind::kSignal) hold_signal_of_stop(tracee);
  if (tracee.stop.kind() == WaitStatus::Kind::kGroupStop) tracee.group_stopped = true;
}

bool take_queued_breakpoint(Tracee& tracee) {
  if (!tracee.has_queued(SIGTRAP, SI_KERNEL)) return false;
  // Before any other signal, and before the thread executes anything (kernel/signal.c, dequeue_synchronous_signal).
  for (int disturbance = 0; disturbance < kMaxDisturbances; ++disturbance) {
    tracee.cont();
    tracee.wait_for_stop();
    if (tracee.stop.kind() == WaitStatus::Kind::kGroupStop) tracee.group_stopped = true;
    if (tracee.stop.kind() != WaitStatus::Kind::kSignal) continue;
    if (tracee.stop.signal() == SIGTRAP && tracee.signal_info().si_code == SI_KERNEL) return true;
    hold_signal_of_stop(tracee);
  }
  VS_CHECK(!"a queued signal is reported", tracee);
  return false;
}

void hold_signal_of_stop(Tracee& tracee) {
  const siginfo_t info = tracee.signal_info();
  if (tracee.stop.signal() == SIGTRAP && (is_step_trap(info) || info.si_code == SIGTRAP)) return;
  hold_signal(tracee, {tracee.stop.signal(), info, tracee.stop_count});
}

void hold_signal(Tracee& tracee, const HeldSignal& signal) {
  const bool waits = std::any_of(tracee.held.begin(), tracee.held.end(),
                                 [&signal](const HeldSignal& held) { return held.number == signal.number; });
  if (!waits || signal.number >= kFirstQueuedSignal || is_fault(signal.number)) tracee.held.push_back(signal);
}

}  // namespace vsup::supervisor
