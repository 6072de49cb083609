// Purpose: functions that options name by patterns, as addresses in the agent's table (records.h, FunctionRecord).
// Assumes: called on the event loop's thread while the process stands still before it executes the module's code.
#pragma once

#include <string>
#include <vector>

#include "supervisor/session/session_observer.h"
#include "supervisor/symbols/module_code.h"

namespace vsup::supervisor::callgrind {

class NamedFunctions {
 public:
  // Names as callgrind shows them, of functions at whose entry and end collection is switched;
  // patterns as matches_pattern() (session/skip_patterns.h) takes them.
  explicit NamedFunctions(std::vector<std::string> toggles) : toggles_(std::move(toggles)) {}

  void module_mapped(pid_t pid, const MappedModule& module);

 private:
  std::vector<std::string> toggles_;
  ModuleCodeCache cache_;
};

}  // namespace vsup::supervisor::callgrind
