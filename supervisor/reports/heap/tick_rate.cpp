#include "supervisor/reports/heap/tick_rate.h"

#include <x86intrin.h>

#include <chrono>
#include <thread>

namespace vsup::supervisor {

uint64_t ticks_per_second() {
  static const uint64_t rate = [] {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const uint64_t first = __rdtsc();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const uint64_t ticks = __rdtsc() - first;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return static_cast<uint64_t>(static_cast<double>(ticks) / seconds);
  }();
  return rate;
}

}  // namespace vsup::supervisor
