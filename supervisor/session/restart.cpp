// Purpose: system calls that our stops interrupt go on as if nothing had been. The kernel's restart codes are acted
// upon when a thread is moved; waits that answer EINTR to any interruption go on until they have lasted as long as they
// were to, however often they are interrupted. Transfers that return early go on.
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <optional>
#include <utility>

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

// A signal that is about to be delivered is a reason for the call's end that the app is to see.
bool is_cut_by_us(pid_t tid) {
  const auto status = read_status_of(tid);
  return status && !will_act_on_signal(*status);
}

}  // namespace

bool SessionImpl::stands_behind_syscall(Task& task) {
  uint8_t code[2] = {};
  return read_memory(task.tid, task.syscall_pc, code, sizeof code) && code[0] == 0x0f && code[1] == 0x05;
}

// A system call that the thread makes natively, from its entry to its exit under PTRACE_SYSCALL.
void SessionImpl::continue_call(Task& task, ContinuedCall::Kind kind, const SystemCall& call) {
  task.continued = ContinuedCall{kind, task.app, task.syscall_pc, true};
  unsigned long long* const arguments[] = {&task.app.rdi, &task.app.rsi, &task.app.rdx,
                                           &task.app.r10, &task.app.r8,  &task.app.r9};
  for (unsigned index = 0; index < 6; ++index) *arguments[index] = call.arguments[index];
  task.app.rax = call.number;
  task.app.orig_rax = ~uint64_t{0};
  task.app.rip = task.syscall_pc;
  put_in_native_code(task);
  task.at_app_state = false;
  task.must_reenter = false;
  task.step_to_syscall_exit();
}

// The app sees one call that returned the sum. When a signal comes first, it sees what was done by then.
bool SessionImpl::continue_transfer(Task& task) {
  if (!may_be_cut_short(task.app) || task.group_stopped || !stands_behind_syscall(task)) return false;
  if (!is_cut_by_us(task.tid)) return false;
  const auto rest = rest_of_transfer(task.process->pid, task.tid, task.app);
  if (!rest) return false;
  ++task.process->counters.continued_transfers;
  continue_call(task, ContinuedCall::Kind::kTransfer, *rest);
  return true;
}

// How long an interrupted wait has lasted, rather too little: waits may end late, but not early. 0 for one that began
// in native code, which nobody sees.
double SessionImpl::seconds_waited(Task& task) {
  constexpr double kCertain = 0.999, kUncertainSeconds = 1e-4;
  if (!task.instrumented || !task.slot_ready) return 0;
  const uint64_t context = slot_address(static_cast<unsigned>(task.slot));
  const auto began = task.read_as<uint64_t>(context + offsetof(protocol::ThreadContext, wait_began));
  return std::max(0.0, tick_clock_.seconds_since(began) * kCertain - kUncertainSeconds);
}

// Only its exit stop tells when a wait has ended: the next one may be made at the same place, with the same registers.
bool SessionImpl::continue_wait(Task& task, bool stays) {
  const auto known_end = std::exchange(task.wait_end_seconds, {});
  if (!is_eintr_of_unrestarted_syscall(task.app) || !is_cut_by_us(task.tid)) return false;
  if (const auto limit = time_limit_of(task.tid, task.app)) {
    const double now = monotonic_seconds();
    const double end = known_end ? *known_end : now + limit->seconds - seconds_waited(task);
    if (now >= end) {
      task.app.rax = static_cast<uint64_t>(limit->result);
      task.app.orig_rax = ~uint64_t{0};
      return false;
    }
    if (stays && !task.group_stopped && stands_behind_syscall(task)) {
      task.wait_end_seconds = end;
      SystemCall call{task.app.orig_rax,
                      {task.app.rdi, task.app.rsi, task.app.rdx, task.app.r10, task.app.r8, task.app.r9}};
      if (call.number == SYS_epoll_wait || call.number == SYS_epoll_pwait) {
        call.arguments[3] = static_cast<uint64_t>(std::ceil((end - now) * 1e3));
      } else if (!task.wait_timer || known_end != end) {
        end_wait_in_time(task, end);  // the limit is in the app's memory, which is not ours to change
      }
      continue_call(task, ContinuedCall::Kind::kWait, call);
      return true;
    }
  }
  // The kernel starts it again, unless a handler is to run first: EINTR then.
  task.app.rax = static_cast<uint64_t>(-kErestartNoHand);
  return false;
}

// By an interruption, at which continue_wait() finds that the time is up.
void SessionImpl::end_wait_in_time(Task& task, double end) {
  constexpr double kLongest = 86400;
  const std::chrono::duration<double> rest(std::clamp(end - monotonic_seconds(), 0.0, kLongest));
  task.wait_timer = std::make_unique<boost::asio::steady_timer>(
      io_, std::chrono::duration_cast<std::chrono::steady_clock::duration>(rest));
  task.wait_timer->async_wait([this, tid = task.tid, end](boost::system::error_code error) {
    Task* waiting = error || ended_ ? nullptr : find_task(tid);
    if (waiting == nullptr || waiting->wait_end_seconds != end) return;
    if (monotonic_seconds() < end) {
      end_wait_in_time(*waiting, end);
    } else if (waiting->continued && !waiting->stopped) {
      waiting->interrupt();
    }
  });
}

bool SessionImpl::on_continued_call_stop(Task& task) {
  const bool in_call = task.stop.kind() == WaitStatus::Kind::kSyscallStop;
  if (in_call && task.continued->entering) {
    task.continued->entering = false;
    if (task.process->space->stopping) task.interrupt();  // any stop clears a pending PTRACE_INTERRUPT
    task.step_to_syscall_exit();
    return true;
  }
  const Registers exit = in_call ? task.registers() : Registers{};
  const auto result = static_cast<int64_t>(exit.rax);
  const bool interrupted = !in_call || is_interrupted_syscall(exit) || is_eintr_of_unrestarted_syscall(exit);
  const bool is_wait = task.continued->kind == ContinuedCall::Kind::kWait;
  task.app = task.continued->app;
  task.syscall_pc = task.continued->syscall_pc;
  task.at_app_state = true;
  task.continued.reset();
  if (is_wait && !interrupted) {
    task.wait_end_seconds.reset();
    task.app.rax = static_cast<uint64_t>(result);
    task.app.orig_rax = ~uint64_t{0};
  }
  if (is_wait) return false;
  if (result > 0) task.app.rax += static_cast<uint64_t>(result);
  // At its end, or with an error that the app's next call will meet: it is not tried again.
  if (result <= 0 && !interrupted) task.app.orig_rax = ~uint64_t{0};
  return false;
}

// An ignored signal wakes a traced thread, which it does not natively.
bool SessionImpl::undo_cut_call(Task& task, int number) {
  const Registers registers = task.registers();
  if (!may_be_cut_short(registers) && !is_eintr_of_unrestarted_syscall(registers)) return false;
  if (fate_of(task, number) != SignalFate::kIgnored) return false;
  if (task.instrumented && registers.rip != agent_.exports.syscall_return) return false;
  settle_in_app_state(task);
  return true;
}

}  // namespace vsup::supervisor
