// Purpose: the supervisor's own log: lines with a level, the last of which are kept for failure reports.
// Promises: callable before a sink is set (lines are then only kept).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vsup::supervisor {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

using LogSink = std::function<void(LogLevel, const std::string&)>;

void set_log_sink(LogSink sink);

// printf-like; one line without its newline. kDebug lines are formatted only when debug_log_enabled().
void log_line(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

void enable_debug_log(bool on);
bool debug_log_enabled();

// Oldest first.
std::vector<std::string> last_log_lines();

}  // namespace vsup::supervisor

#define VS_DEBUG(...)                                                                  \
  do {                                                                                 \
    if (::vsup::supervisor::debug_log_enabled())                                       \
      ::vsup::supervisor::log_line(::vsup::supervisor::LogLevel::kDebug, __VA_ARGS__); \
  } while (0)
