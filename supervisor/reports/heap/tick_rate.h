// Purpose: how fast the time stamp counter runs, by which agents take times.
#pragma once

#include <cstdint>

namespace vsup::supervisor {

// Measured against the steady clock in two milliseconds, once.
uint64_t ticks_per_second();

}  // namespace vsup::supervisor
