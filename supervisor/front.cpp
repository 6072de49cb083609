#include "supervisor/front.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "supervisor/base/unique_fd.h"
#include "supervisor/session/own_signals.h"

namespace vsup::supervisor {

namespace {

// Stops as the session has stopped, so that a shell sees its job stop, and goes on with it.
void stop_like(int number, pid_t session) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, number);
  signal(number, SIG_DFL);
  sigprocmask(SIG_UNBLOCK, &mask, nullptr);
  raise(number);
  if (number != SIGSTOP) signal(number, SIG_IGN);
  kill(session, SIGCONT);
}

// Until the session has ended or says with which status to end.
int serve(pid_t session, int status_pipe) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  for (const int number : kForwardedSignals) sigaddset(&mask, number);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  for (const int number : {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE}) signal(number, SIG_IGN);
  const UniqueFd signals(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  for (;;) {
    int status = 0;
    const pid_t changed = waitpid(session, &status, WNOHANG | WUNTRACED);
    if (changed == session && !WIFSTOPPED(status)) return status;
    if (changed == session) {
      stop_like(WSTOPSIG(status), session);
      continue;
    }
    pollfd waited[] = {{signals.get(), POLLIN, 0}, {status_pipe, POLLIN, 0}};
    poll(waited, 2, -1);
    if ((waited[1].revents & POLLIN) != 0 && read(status_pipe, &status, sizeof status) == sizeof status) return status;
    if ((waited[1].revents & POLLHUP) != 0) {
      // It is about to end.
      while (waitpid(session, &status, 0) != session) continue;
      return status;
    }
    signalfd_siginfo info{};
    while (read(signals.get(), &info, sizeof info) == sizeof info)
      // The terminal's (SI_KERNEL) reach the session, too, but for the end of the terminal.
      if (info.ssi_signo != SIGCHLD && (info.ssi_code != SI_KERNEL || info.ssi_signo == SIGHUP))
        kill(session, static_cast<int>(info.ssi_signo));
  }
}

}  // namespace

std::optional<int> Front::split() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  const UniqueFd status_read(ends[0]);
  const pid_t front = getpid();
  const pid_t session = fork();
  if (session < 0) {
    close(ends[1]);
    return {};
  }
  if (session > 0) {
    close(ends[1]);
    return serve(session, status_read.get());
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != front) _exit(1);
  status_pipe_ = ends[1];
  return {};
}

void Front::release(int wait_status) {
  if (!is_split()) return;
  prctl(PR_SET_PDEATHSIG, 0);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    dup2(null.get(), fd);
  }
  if (write(status_pipe_, &wait_status, sizeof wait_status) < 0) return;
  close(status_pipe_);
  status_pipe_ = -1;
}

}  // namespace vsup::supervisor
