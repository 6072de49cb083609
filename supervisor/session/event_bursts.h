// Purpose: notices when stops come in quick succession (a program with thousands of signals a second) and keeps the
// machine ready for the next one meanwhile: the tracee's processor does not go idle while the tracee is stopped, and
// the caller is told to ask for the next event instead of going to sleep.
#pragma once

#include <sys/types.h>

#include "supervisor/base/wakeful_processor.h"

namespace vsup::supervisor {

class EventBursts {
 public:
  // A stop of that thread is being handled.
  void note_stop(pid_t tid, double now_seconds);

  // Until then another one is likely. CLOCK_MONOTONIC.
  double expected_until_seconds() const { return expected_until_seconds_; }

 private:
  WakefulProcessor wakeful_;
  double last_seconds_ = 0;
  double expected_until_seconds_ = 0;
  unsigned in_a_row_ = 0;
  pid_t tid_ = 0;
  int processor_ = -1;
  double processor_until_seconds_ = 0;  // when it is looked up again
};

}  // namespace vsup::supervisor
