// Purpose: the time as a number. Promises: no system call where the vdso answers.
#pragma once

namespace vsup::supervisor {

// Seconds since 1970, CLOCK_REALTIME.
double realtime_seconds();
// CLOCK_MONOTONIC: for differences.
double monotonic_seconds();

}  // namespace vsup::supervisor
