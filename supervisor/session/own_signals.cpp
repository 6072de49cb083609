// Purpose: what becomes of signals that vsup itself gets: the terminal's reach the program without it, those that
// somebody sends to vsup alone are meant for the program, and once that has ended for those who wait for it.
#include "supervisor/session/own_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iterator>

#include <boost/asio/post.hpp>

#include "supervisor/session/session_impl.h"

namespace vsup::supervisor {

namespace {

// Of signals that a group was sent: a busy machine takes its time until all have been looked at.
constexpr double kSameSignalSeconds = 1;
constexpr auto kGroupDelay = std::chrono::milliseconds(50);
constexpr auto kLeftBehindDelay = std::chrono::seconds(2);

constexpr int kTerminating[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

}  // namespace

int SessionImpl::open_own_signal_fd() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : kForwardedSignals) sigaddset(&mask, number);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  return signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
}

void SessionImpl::watch_own_signals() {
  for (const int number : {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE}) signal(number, SIG_IGN);
  own_signal_fd_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error || ended_) return;
    signalfd_siginfo info{};
    while (read(own_signal_fd_.native_handle(), &info, sizeof info) == sizeof info) on_own_signal(info);
    if (!ended_) watch_own_signals();
  });
}

void SessionImpl::on_own_signal(const signalfd_siginfo& info) {
  const int number = static_cast<int>(info.ssi_signo);
  if (attach_session_) {
    detach({}, [](unsigned) {});
    return;
  }
  // ^C and ^\\ of the terminal: the whole foreground process group has them. A terminal that closes tells the session's
  // leader alone, too.
  if (info.ssi_code == SI_KERNEL && number != SIGHUP && !root_ended_) return;
  // The front passes on what the whole group has been sent, too, but maybe late.
  double& last_own = own_signal_seconds_[info.ssi_signo];
  const bool from_front = front_pid_ != 0 && static_cast<pid_t>(info.ssi_pid) == front_pid_;
  if (from_front && monotonic_seconds() - last_own < kSameSignalSeconds) return;
  if (!from_front) last_own = monotonic_seconds();
  forward_signal(number);
}

// A signal sent to vsup alone is meant for the program; one sent to the whole group has reached it already.
void SessionImpl::forward_signal(int number) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(io_, kGroupDelay);
  const double earliest = monotonic_seconds() - kSameSignalSeconds;
  timer->async_wait([this, timer, number, earliest](boost::system::error_code error) {
    if (error || ended_ || root_pid_ == 0) return;
    drain();  // on a busy machine what the group was sent may not have been looked at yet
    if (ended_) return;
    if (root_ended_) {
      let_go_of_rest(number);
    } else if (root_signal_seconds_[static_cast<size_t>(number)] < earliest) {
      ::kill(root_pid_, number);
    }
    schedule_drain();
  });
}

// Nothing is left to wait for but what the program has left behind: that goes on by itself. In the background nobody
// waits, and what comes from the terminal is meant for others.
void SessionImpl::let_go_of_rest(int number) {
  if (in_background_ && number != SIGTERM) return;
  if (std::find(std::begin(kTerminating), std::end(kTerminating), number) != std::end(kTerminating))
    detach({}, [](unsigned) {});
}

// From the program's end on.
void SessionImpl::watch_left_behind() {
  left_behind_timer_.expires_after(kLeftBehindDelay);
  left_behind_timer_.async_wait([this](boost::system::error_code error) {
    if (!error && !ended_ && !processes_.empty()) observer_.waits_for_rest(summaries());
  });
}

// When the program is stopped from the terminal, vsup stops, too, so that the shell sees its job stop.
void SessionImpl::follow_job_control(Task& task) {
  const int number = task.stop.signal();
  if (attach_session_ || task.tid != root_pid_) return;
  if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU) return;
  if (getpgid(root_pid_) != getpgrp()) return;
  boost::asio::post(io_, [this, number] {
    const Task* root = find_task(root_pid_);
    if (ended_ || root == nullptr || !root->group_stopped) return;
    drain();
    signal(number, SIG_DFL);
    ::kill(getpid(), number);
    signal(number, SIG_IGN);
    schedule_drain();
  });
}

}  // namespace vsup::supervisor
