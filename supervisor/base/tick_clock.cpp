#include "supervisor/base/tick_clock.h"

#include <x86intrin.h>

#include <algorithm>
#include <ctime>

namespace vsup::supervisor {

namespace {

double monotonic() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

TickClock::TickClock() : first_seconds_(monotonic()), first_ticks_(__rdtsc()) {}

double TickClock::seconds_since(uint64_t ticks) const {
  const uint64_t now = __rdtsc();
  const double age = monotonic() - first_seconds_;
  if (ticks >= now || now <= first_ticks_) return 0;
  return age * static_cast<double>(std::min(now - ticks, now - first_ticks_)) / static_cast<double>(now - first_ticks_);
}

}  // namespace vsup::supervisor
