// Purpose: how long ago the time stamp counter had a value, by CLOCK_MONOTONIC: the rate is what it ran at since this
// clock was made.
// Assumes: the counter runs at one rate, the same on all processors.
#pragma once

#include <cstdint>

namespace vsup::supervisor {

class TickClock {
 public:
  TickClock();

  // 0 for a value of the future, at most the clock's age for one of the time before it.
  double seconds_since(uint64_t ticks) const;

 private:
  double first_seconds_;
  uint64_t first_ticks_;
};

}  // namespace vsup::supervisor
