#include "supervisor/session/event_bursts.h"

#include "supervisor/ptrace/proc_files.h"

namespace vsup::supervisor {

namespace {

constexpr double kGapSeconds = 400e-6;       // longer ones end a burst
constexpr unsigned kBurst = 8;               // so many stops in a row make one
constexpr double kExpectSeconds = 100e-6;    // how long the next one is asked for before the event loop sleeps
constexpr double kKeepSeconds = 1e-3;        // how long the processor is kept from going idle
constexpr double kProcessorSeconds = 10e-3;  // how long a thread is taken to stay on its processor

}  // namespace

void EventBursts::note_stop(pid_t tid, double now_seconds) {
  const bool quick = now_seconds - last_seconds_ < kGapSeconds;
  last_seconds_ = now_seconds;
  in_a_row_ = quick ? in_a_row_ + 1 : 0;
  if (in_a_row_ < kBurst) return;
  if (tid != tid_ || now_seconds > processor_until_seconds_) {
    tid_ = tid;
    processor_ = processor_of(tid);
    processor_until_seconds_ = now_seconds + kProcessorSeconds;
  }
  expected_until_seconds_ = now_seconds + kExpectSeconds;
  wakeful_.keep(processor_, now_seconds + kKeepSeconds);
}

}  // namespace vsup::supervisor
