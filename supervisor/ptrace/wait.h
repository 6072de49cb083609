// Purpose: the only place that waits for tracees. Hands out stops and deaths one by one, and waits for one tracee
// alone while others' events queue up in the kernel.
// Assumes: SIGCHLD is blocked in this thread, so that a wait for one tracee may sleep in sigtimedwait.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <utility>

#include "supervisor/ptrace/wait_status.h"

namespace vsup::supervisor {

class WaitManager {
 public:
  struct Event {
    pid_t tid;
    WaitStatus status;
  };

  // The next event of any tracee or child; none when nothing is there right now.
  std::optional<Event> next();

  // Waits for a tracee that is about to stop. A death is queued for next() and reported as nothing, as is a tracee
  // that does not stop within `seconds` (its event then comes by next()).
  std::optional<WaitStatus> wait_for(pid_t tid, double seconds = 5);

  // Whether events of it may still come: it is a tracee, or a child, that has not been waited for to its end.
  static bool is_ours(pid_t tid);

  // Whether the last wait_for ended by its time limit.
  bool wait_timed_out() const { return timed_out_; }

  // Gives an event back; next() returns it before it asks the kernel.
  void put_back(const Event& event) { queued_.push_back(event); }

  // A wait_for consumed a SIGCHLD: somebody has to call next() until it is empty.
  bool take_dirty() { return std::exchange(dirty_, false); }

 private:
  std::deque<Event> queued_;
  bool dirty_ = false;
  bool timed_out_ = false;
};

}  // namespace vsup::supervisor
