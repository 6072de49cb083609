#include "supervisor/base/tick_clock.h"

#include <x86intrin.h>

#include <algorithm>

#include "supervisor/base/clock.h"

namespace vsup::supervisor {

TickClock::TickClock() : first_seconds_(monotonic_seconds()), first_ticks_(__rdtsc()) {}

double TickClock::seconds_since(uint64_t ticks) const {
  const uint64_t now = __rdtsc();
  const double age = monotonic_seconds() - first_seconds_;
  if (ticks >= now || now <= first_ticks_) return 0;
  return age * static_cast<double>(std::min(now - ticks, now - first_ticks_)) / static_cast<double>(now - first_ticks_);
}

}  // namespace vsup::supervisor
