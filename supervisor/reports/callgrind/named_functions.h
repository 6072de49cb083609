// Purpose: functions that options name by patterns, as addresses in the agent's table (records.h, FunctionRecord).
// Assumes: called on the event loop's thread while the process stands still before it executes the module's code.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/tools/callgrind/records.h"
#include "supervisor/session/session_observer.h"
#include "supervisor/symbols/module_code.h"

namespace vsup::supervisor::callgrind {

// What an option says of the functions whose names, as callgrind shows them, match a pattern (matches_pattern() of
// session/skip_patterns.h).
struct FunctionRule {
  std::string pattern;
  uint32_t flags = 0;  // agent::callgrind::FunctionFlags
  uint16_t separate_callers = agent::callgrind::kAsAll;
  uint16_t separate_recs = agent::callgrind::kAsAll;
  uint32_t group = 0;
};

class NamedFunctions {
 public:
  // Of rules that contradict each other the last counts.
  explicit NamedFunctions(std::vector<FunctionRule> rules) : rules_(std::move(rules)) {}

  // False: there was no room for all of the module's functions.
  bool module_mapped(pid_t pid, const MappedModule& module);

  // As callgrind shows it, of the function that begins at `pc`; empty when there is none.
  std::string name_at(pid_t pid, uint64_t pc);

 private:
  // With its load bias; null: there is none, or it cannot be read.
  std::pair<ModuleCode*, uint64_t> code_at(pid_t pid, uint64_t address);
  bool apply_rules(const std::string& name, agent::callgrind::FunctionRecord& record) const;

  std::vector<FunctionRule> rules_;
  ModuleCodeCache cache_;
};

}  // namespace vsup::supervisor::callgrind
