// Purpose: system calls that our stops interrupt go on as if nothing had been. The kernel's restart codes are acted
// upon when a thread is moved; waits that answer EINTR to any interruption are started again, and end when they have
// lasted as long as they were to, however often they are interrupted.
#include <sys/syscall.h>

#include <cerrno>
#include <ctime>
#include <optional>

#include "supervisor/base/log.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/ptrace/tracee_memory.h"
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

}  // namespace

// A signal that is about to be delivered is a reason for EINTR that the app is to see; then nothing is done.
void SessionImpl::restart_wait(Task& task) {
  if (!is_eintr_of_unrestarted_syscall(task.app)) return;
  const auto status = read_status_of(task.tid);
  if (!status || ((status->pending | status->shared_pending) & ~status->blocked) != 0) return;
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

}  // namespace vsup::supervisor
