// Purpose: assertions that stay on in release builds. VS_CHECK(condition, tracee) concerns one tracee: its failure is
// reported with the tracee's state and the last log lines, and ends that tracee, never the session.
#pragma once

#include <sys/types.h>

#include <stdexcept>
#include <string>

namespace vsup::supervisor {

// Thrown by a failed VS_CHECK; the event loop kills the tracee's process cleanly.
class CheckFailure : public std::runtime_error {
 public:
  CheckFailure(pid_t failed_tid, const std::string& text) : std::runtime_error(text), tid(failed_tid) {}
  pid_t tid;
};

// Reports and throws CheckFailure.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, pid_t tid, const std::string& state);

}  // namespace vsup::supervisor

// `tracee` has members tid and describe().
#define VS_CHECK(condition, tracee)                                                                        \
  do {                                                                                                     \
    if (!(condition)) [[unlikely]]                                                                         \
      ::vsup::supervisor::check_failed(#condition, __FILE__, __LINE__, (tracee).tid, (tracee).describe()); \
  } while (0)
