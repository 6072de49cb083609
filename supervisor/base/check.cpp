#include "supervisor/base/check.h"

#include "supervisor/base/log.h"

namespace vsup::supervisor {

void check_failed(const char* condition, const char* file, int line, pid_t tid, const std::string& state) {
  const std::vector<std::string> recent = last_log_lines();
  log_line(LogLevel::kError, "check failed: %s (%s:%d), thread %d: %s", condition, file, line, tid, state.c_str());
  for (const std::string& text : recent) log_line(LogLevel::kError, "  before: %s", text.c_str());
  throw CheckFailure(tid, std::string("check failed: ") + condition);
}

}  // namespace vsup::supervisor
