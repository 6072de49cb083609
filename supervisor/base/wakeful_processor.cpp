#include "supervisor/base/wakeful_processor.h"

#include <sched.h>

#include <csignal>
#include <ctime>

#include "supervisor/base/clock.h"

namespace vsup::supervisor {

namespace {

constexpr int kPausesBetweenLooks = 64;

bool become_idle_class() {
  const sched_param parameters{};
  return sched_setscheduler(0, SCHED_IDLE, &parameters) == 0;
}

bool move_to(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  CPU_SET(processor, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace

WakefulProcessor::~WakefulProcessor() {
  if (!thread_.joinable()) return;
  ending_ = true;
  until_seconds_ = 0;
  ++calls_;
  calls_.notify_one();
  thread_.join();
}

void WakefulProcessor::keep(int processor, double until_seconds) {
  processor_ = processor;
  until_seconds_ = until_seconds;
  ++calls_;
  if (thread_.joinable()) {
    calls_.notify_one();  // costs nothing while it spins
    return;
  }
  sigset_t all, former;  // no signal of vsup's is handled by it
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

void WakefulProcessor::run() {
  if (!become_idle_class()) return;
  int at = -1;
  while (!ending_) {
    const uint32_t calls = calls_;
    const int processor = processor_;
    if (processor != at) at = move_to(processor) ? processor : -1;
    while (at == processor_ && monotonic_seconds() < until_seconds_)
      for (int pause = 0; pause < kPausesBetweenLooks; ++pause) __builtin_ia32_pause();
    calls_.wait(calls);
  }
}

}  // namespace vsup::supervisor
