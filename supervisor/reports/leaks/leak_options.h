// Purpose: the options of the tool leaks as values, and the suppression files that they name.
#pragma once

#include "supervisor/reports/leaks/allocation_stacks.h"
#include "supervisor/reports/leaks/leak_report.h"
#include "supervisor/session/tool_options.h"

namespace vsup::supervisor::leaks {

struct LeakOptions {
  LeakReportOptions report;
  StackNaming naming;
  unsigned heuristics = kAllHeuristics;
  int error_exitcode = 0;  // 0: the program's own status
};

// Throws OptionError, also for suppression files.
LeakOptions leak_options(const ToolOptionValues& options);

// Those that were given, then vsup's own. Throws OptionError.
SuppressionSet load_suppressions(const ToolOptionValues& options);

// "vsup" and the options that were given.
std::vector<std::string> given_words(const ToolOptionValues& options, std::span<const ToolOption> rows);

}  // namespace vsup::supervisor::leaks
