#include "supervisor/base/log.h"

#include <cstdarg>
#include <cstdio>
#include <deque>

namespace vsup::supervisor {

namespace {

constexpr size_t kKeptLines = 40;

struct LogState {
  LogSink sink;
  bool debug = false;
  std::deque<std::string> kept;
};

LogState& log_state() {
  static LogState state;
  return state;
}

}  // namespace

void set_log_sink(LogSink sink) {
  log_state().sink = std::move(sink);
}

void enable_debug_log(bool on) {
  log_state().debug = on;
}

bool debug_log_enabled() {
  return log_state().debug;
}

void log_line(LogLevel level, const char* format, ...) {
  LogState& state = log_state();
  if (level == LogLevel::kDebug && !state.debug) return;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  state.kept.emplace_back(text);
  if (state.kept.size() > kKeptLines) state.kept.pop_front();
  if (state.sink) state.sink(level, text);
}

std::vector<std::string> last_log_lines() {
  const LogState& state = log_state();
  return {state.kept.begin(), state.kept.end()};
}

}  // namespace vsup::supervisor
