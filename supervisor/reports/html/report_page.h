// Purpose: one session as one self-contained HTML page: the tree of its processes, and for each of them the costliest
// functions, flame graphs that can be clicked, heap over time, and leaks.
// Assumes: strings come from tracees: any bytes. Promises: pure; the page needs no network and no other file, and no
// name can break out of the data it stands in. What is too small to be seen is left out, and the page says how much.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/html/function_costs.h"
#include "supervisor/reports/html/leak_log_reader.h"
#include "supervisor/reports/html/massif_reader.h"

namespace vsup::supervisor::html {

// One thing that was counted: a table of functions and a flame graph, each possibly empty.
struct ReportView {
  std::string title;  // "Instructions", "Peak bytes"
  std::string unit;   // "Ir", "bytes"
  uint64_t total = 0;
  std::vector<ReportFunction> functions;
  callgrind::NamedStacks stacks;
};

struct ReportProcess {
  pid_t pid = 0, parent = 0;  // parent 0: none
  unsigned image = 0;         // counts the pid's execs
  std::string executable;
  std::vector<std::string> arguments;
  std::string directory;
  std::string state;  // "exited with status 0"
  double seconds = 0;
  std::vector<std::pair<std::string, uint64_t>> totals;  // by event
  std::vector<ReportView> views;
  std::optional<MassifFile> memory;
  LeakLog leaks;
};

struct ReportSession {
  std::vector<std::string> command;
  std::string tool, version, directory, state, started;
  double seconds = 0;
  std::vector<ReportProcess> processes;
};

struct PageLimits {
  size_t functions = 500;          // of one view, the costliest by self and by inclusive cost
  size_t view_frames = 100'000;    // of one view, the widest
  size_t page_frames = 1'000'000;  // of all views together, shared evenly
  size_t leak_records = 2'000;     // of one process, the largest
};

std::string render_report_page(const ReportSession& session, const PageLimits& limits = {});

}  // namespace vsup::supervisor::html
