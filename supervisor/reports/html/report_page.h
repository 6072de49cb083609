// Purpose: one session as one self-contained HTML page: the tree of its processes, and for each that was counted the
// costliest functions and a flame graph that can be clicked.
// Assumes: strings come from tracees: any bytes. Promises: pure; the page needs no network and no other file, and no
// name can break out of the data it stands in. What is too small to be seen is left out, and the page says how much.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/callgrind/group.h"

namespace vsup::supervisor::html {

struct ReportFunction {
  std::string name, file, object;
  uint64_t self = 0, inclusive = 0, calls = 0;  // of the first event; calls of this function
};

struct ReportProcess {
  pid_t pid = 0, parent = 0;  // parent 0: none
  unsigned image = 0;         // counts the pid's execs
  std::string executable;
  std::vector<std::string> arguments;
  std::string directory;
  std::string state;  // "exited with status 0"
  double seconds = 0;
  std::vector<std::pair<std::string, uint64_t>> totals;  // by event; the first one is that of the functions and stacks
  std::vector<ReportFunction> functions;
  callgrind::NamedStacks stacks;
};

struct ReportSession {
  std::vector<std::string> command;
  std::string tool, version, directory, state, started;
  double seconds = 0;
  std::vector<ReportProcess> processes;
};

struct PageLimits {
  size_t functions = 500;              // of one process, the costliest by self and by inclusive cost
  double smallest_frame = 1.0 / 4000;  // of the process's total
};

std::string render_report_page(const ReportSession& session, const PageLimits& limits = {});

// Functions of a profile, all parts together. A function's inclusive cost is exact where `stacks` tell it; else its own
// cost and that of its calls but those to itself, at most the total (functions that call each other in a circle would
// count twice).
std::vector<ReportFunction> function_costs(const callgrind::Grouped& profile, const callgrind::NamedStacks& stacks);

}  // namespace vsup::supervisor::html
