#include "supervisor/ptrace/wait.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "supervisor/base/clock.h"
#include "supervisor/ptrace/proc_files.h"

namespace vsup::supervisor {

namespace {

constexpr unsigned kSpins = 25;

bool is_dead(pid_t tid) {
  const auto status = read_status_of(tid);
  return !status || status->state == 'Z' || status->state == 'X';
}

}  // namespace

std::optional<WaitManager::Event> WaitManager::next() {
  if (!queued_.empty()) {
    const Event event = queued_.front();
    queued_.pop_front();
    return event;
  }
  int status = 0;
  pid_t tid = 0;
  do {
    tid = waitpid(-1, &status, __WALL | WNOHANG);
  } while (tid < 0 && errno == EINTR);
  if (tid <= 0) return std::nullopt;
  return Event{tid, WaitStatus(status)};
}

bool WaitManager::is_ours(pid_t tid) {
  siginfo_t unused;
  int result = 0;
  do {
    result = waitid(P_PID, static_cast<id_t>(tid), &unused, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

std::optional<WaitStatus> WaitManager::wait_for(pid_t tid, double seconds) {
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  const double end = monotonic_seconds() + seconds;
  dirty_ = true;
  timed_out_ = false;
  for (unsigned round = 0;; ++round) {
    int status = 0;
    const pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
    if (got == tid) {
      const WaitStatus result(status);
      if (!result.is_gone()) return result;
      queued_.push_back({tid, result});
      return std::nullopt;
    }
    if (got < 0 && errno != EINTR) return std::nullopt;
    if (round < kSpins) continue;  // a single-step takes a few microseconds
    // Killed, but its death is not to be had yet: a leader's waits until the other threads have been waited for.
    if (round > kSpins && is_dead(tid)) return std::nullopt;
    timed_out_ = monotonic_seconds() > end;
    if (timed_out_) return std::nullopt;
    // The stop sends SIGCHLD; it may also be pending already for another tracee, which costs one round.
    const timespec pause{0, 5'000'000};
    sigtimedwait(&child_signal, nullptr, &pause);
  }
}

}  // namespace vsup::supervisor
