#include "supervisor/base/clock.h"

#include <ctime>

namespace vsup::supervisor {

namespace {

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

double realtime_seconds() {
  return seconds_of(CLOCK_REALTIME);
}

double monotonic_seconds() {
  return seconds_of(CLOCK_MONOTONIC);
}

}  // namespace vsup::supervisor
