// Purpose: lets who waits for vsup go on when the program has ended, though daemons that it left behind remain under
// supervision: the process that was started is a thin front of the session, which is its child.
// Promises: the front ends as the session would, stops and goes on with it, passes on what is sent to it alone, and
// takes the session along when it is killed. The session finds signals, descriptors and group as they were.
#pragma once

#include <sys/types.h>

#include <optional>

namespace vsup::supervisor {

class Front {
 public:
  // Forks. In the front: returns, at the end, the wait status to end with. In the session: none.
  // When that is not possible, the caller is session and front in one.
  std::optional<int> split();

  // In the session: the front ends with this wait status, and nothing of the session holds what is the caller's.
  void release(int wait_status);

  bool is_split() const { return status_pipe_ >= 0; }

 private:
  int status_pipe_ = -1;  // the session's end
};

}  // namespace vsup::supervisor
