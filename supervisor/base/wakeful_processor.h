// Purpose: keeps one processor from going idle for a moment. Waking a thread on an idle processor costs tens of
// microseconds (on a virtual machine an exit to the host, on bare metal the way out of a sleep state); waking it on one
// that runs a SCHED_IDLE thread costs few, and such a thread takes no time from any other.
// Promises: spins below every other thread of the machine, and only until the time given; does nothing where the
// kernel grants no SCHED_IDLE or not that processor.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace vsup::supervisor {

class WakefulProcessor {
 public:
  WakefulProcessor() = default;
  ~WakefulProcessor();
  WakefulProcessor(const WakefulProcessor&) = delete;
  WakefulProcessor& operator=(const WakefulProcessor&) = delete;

  // `until_seconds` is CLOCK_MONOTONIC; a later call replaces both.
  void keep(int processor, double until_seconds);

 private:
  void run();

  std::atomic<int> processor_{-1};
  std::atomic<double> until_seconds_{0};
  std::atomic<uint32_t> calls_{0};  // waited on while nothing is to be kept
  std::atomic<bool> ending_{false};
  std::thread thread_;  // started by the first call
};

}  // namespace vsup::supervisor
