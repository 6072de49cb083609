// Purpose: system calls that our stops interrupt go on as if nothing had been. The kernel's restart codes are acted
// upon when a thread is moved; waits that answer EINTR to any interruption are started again, and end when they have
// lasted as long as they were to, however often they are interrupted. Transfers that return early go on.
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <optional>

#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/session/cut_transfer.h"
#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

struct TimeLimit {
  double seconds;
  int64_t result;  // of the system call when the time is up
};

std::optional<TimeLimit> limit_at(pid_t tid, uint64_t address, int64_t result) {
  timespec limit{};
  if (address == 0 || !read_value(tid, address, limit)) return {};
  return TimeLimit{static_cast<double>(limit.tv_sec) + static_cast<double>(limit.tv_nsec) * 1e-9, result};
}

// None: the system call waits for ever.
std::optional<TimeLimit> time_limit_of(pid_t tid, const Registers& registers) {
  switch (static_cast<int64_t>(registers.orig_rax)) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait: {
      const int milliseconds = static_cast<int>(registers.r10);
      if (milliseconds < 0) return {};
      return TimeLimit{milliseconds * 1e-3, 0};
    }
    case SYS_epoll_pwait2:
      return limit_at(tid, registers.r10, 0);
    case SYS_semtimedop:
      return limit_at(tid, registers.r10, -EAGAIN);
    case SYS_rt_sigtimedwait:
      return limit_at(tid, registers.rdx, -EAGAIN);
    case SYS_io_getevents:
    case SYS_io_pgetevents:
      return limit_at(tid, registers.r8, 0);
  }
  return {};
}

uint64_t bit_of(int number) {
  return uint64_t{1} << (number - 1);
}

// A pending signal will run a handler, stop or kill.
bool will_act_on_signal(const ProcessStatus& status) {
  const uint64_t unheeded = bit_of(SIGCHLD) | bit_of(SIGURG) | bit_of(SIGWINCH) | bit_of(SIGCONT);
  const uint64_t deliverable = (status.pending | status.shared_pending) & ~status.blocked & ~status.ignored;
  return (deliverable & ~(unheeded & ~status.caught)) != 0;
}

}  // namespace

// A signal that is about to be delivered is a reason for EINTR that the app is to see; then nothing is done.
void SessionImpl::restart_wait(Task& task) {
  if (!is_eintr_of_unrestarted_syscall(task.app)) return;
  const auto status = read_status_of(task.tid);
  if (!status || will_act_on_signal(*status)) return;
  RestartedWait& wait = task.restarted_wait;
  // The same wait as last time? Then the thread slept once in it and once in each of our stops, and never else.
  const bool same = wait.pc == task.syscall_pc && wait.rsp == task.app.rsp && wait.number == task.app.orig_rax &&
                    status->voluntary_switches - wait.voluntary_switches <= task.stop_count - wait.stop_count + 1;
  const double now = monotonic_seconds();
  if (!same) wait = {task.syscall_pc, task.app.rsp, task.app.orig_rax, now, 0, 0};
  wait.voluntary_switches = status->voluntary_switches;
  wait.stop_count = task.stop_count;
  const auto limit = time_limit_of(task.tid, task.app);
  if (limit && now - wait.since_seconds >= limit->seconds) {
    task.app.rax = static_cast<uint64_t>(limit->result);
    task.app.orig_rax = ~uint64_t{0};
    wait = {};
    return;
  }
  // The kernel starts it again, unless a handler is to run first: EINTR then.
  task.app.rax = static_cast<uint64_t>(-kErestartNoHand);
}

bool SessionImpl::stands_behind_syscall(Task& task) {
  uint8_t code[2] = {};
  return read_memory(task.tid, task.syscall_pc, code, sizeof code) && code[0] == 0x0f && code[1] == 0x05;
}

// The rest is done by a system call that the thread makes natively, from its entry to its exit under PTRACE_SYSCALL;
// then the app sees one call that returned the sum. When a signal comes first, it sees what was done by then.
bool SessionImpl::continue_transfer(Task& task) {
  if (!may_be_cut_short(task.app) || task.group_stopped || !stands_behind_syscall(task)) return false;
  const auto status = read_status_of(task.tid);
  if (!status || will_act_on_signal(*status)) return false;
  const auto rest = rest_of_transfer(task.process->pid, task.tid, task.app);
  if (!rest) return false;
  ++task.process->counters.continued_transfers;
  task.transfer = ContinuedTransfer{task.app, task.syscall_pc, true};
  unsigned long long* const arguments[] = {&task.app.rdi, &task.app.rsi, &task.app.rdx,
                                           &task.app.r10, &task.app.r8,  &task.app.r9};
  for (unsigned index = 0; index < 6; ++index) *arguments[index] = rest->arguments[index];
  task.app.rax = rest->number;
  task.app.orig_rax = ~uint64_t{0};
  task.app.rip = task.syscall_pc;
  put_in_native_code(task);
  task.at_app_state = false;
  task.must_reenter = false;
  task.step_to_syscall_exit();
  return true;
}

bool SessionImpl::on_transfer_stop(Task& task) {
  const bool in_call = task.stop.kind() == WaitStatus::Kind::kSyscallStop;
  if (in_call && task.transfer->entering) {
    task.transfer->entering = false;
    if (task.process->space->stopping) task.interrupt();  // any stop clears a pending PTRACE_INTERRUPT
    task.step_to_syscall_exit();
    return true;
  }
  const int64_t result = in_call ? static_cast<int64_t>(task.registers().rax) : 0;
  const bool interrupted = in_call && is_interrupted_syscall(task.registers());
  task.app = task.transfer->app;
  task.syscall_pc = task.transfer->syscall_pc;
  task.at_app_state = true;
  task.transfer.reset();
  if (result > 0) task.app.rax += static_cast<uint64_t>(result);
  // At its end, or with an error that the app's next call will meet: it is not tried again.
  if (in_call && result <= 0 && !interrupted) task.app.orig_rax = ~uint64_t{0};
  return false;
}

// An ignored signal wakes a traced thread, which it does not natively.
bool SessionImpl::undo_cut_transfer(Task& task, int number) {
  const Registers registers = task.registers();
  if (!may_be_cut_short(registers) || fate_of(task, number) != SignalFate::kIgnored) return false;
  if (task.instrumented && registers.rip != agent_.exports.syscall_return) return false;
  settle_in_app_state(task);
  return true;
}

}  // namespace vsup::supervisor
