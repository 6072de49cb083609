// Purpose: a switch of instrumentation that was asked for, until every thread has moved.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "supervisor/base/clock.h"
#include "supervisor/session/controller.h"

namespace vsup::supervisor {

class ModeSwitch {
 public:
  // `parts`: how often finish_part will be called; `done` may be empty.
  ModeSwitch(size_t parts, std::function<void(ToggleResult)> done) : parts_(parts), done_(std::move(done)) {}

  // A process is born that has to move, too.
  void add_part() { ++parts_; }

  void finish_part(unsigned processes, unsigned threads) {
    result_.processes += processes;
    result_.threads += threads;
    if (--parts_ != 0) return;
    result_.milliseconds = (monotonic_seconds() - started_seconds_) * 1e3;
    if (done_) done_(result_);
  }

 private:
  ToggleResult result_;
  double started_seconds_ = monotonic_seconds();
  size_t parts_;
  std::function<void(ToggleResult)> done_;
};

}  // namespace vsup::supervisor
