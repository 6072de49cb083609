// Purpose: the time stamp counter: the agent's clock that costs no system call.
// Assumes: the counter runs at one rate, the same on all processors.
#pragma once

#include <cstdint>

namespace vsup::agent {

inline uint64_t ticks() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return uint64_t{high} << 32 | low;
}

}  // namespace vsup::agent
