// Purpose: the agent's assertions, on in every build. A failure fills the crash page and stops for the supervisor, so a
// broken agent is never a bare SIGSEGV of the app.
#pragma once

#include <stdint.h>

namespace vsup::agent {

struct CrashValues {
  uint64_t values[4];
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line, CrashValues values);

}  // namespace vsup::agent

// VS_CHECK(condition) or VS_CHECK(condition, up to four values that the crash report prints).
#define VS_CHECK(condition, ...)                                                                              \
  do {                                                                                                        \
    if (!(condition)) [[unlikely]]                                                                            \
      ::vsup::agent::check_failed(#condition, __FILE__, __LINE__, ::vsup::agent::CrashValues{{__VA_ARGS__}}); \
  } while (0)
