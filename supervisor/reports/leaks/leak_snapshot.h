// Purpose: all that a leak check needs of a process, taken while it stands still: the pointers between its blocks, and
// where these were made.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "supervisor/reports/leaks/leak_report.h"
#include "supervisor/reports/leaks/library_data.h"
#include "supervisor/reports/leaks/live_blocks.h"
#include "supervisor/reports/leaks/pointer_graph.h"
#include "supervisor/session/stopped_process.h"
#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/stack_reader.h"

namespace vsup::supervisor::leaks {

struct LeakSnapshot {
  Blocks blocks;         // normalized
  BlockOrigins origins;  // block i's
  PointerGraph graph;
  HeapUse use;
  bool all_known = true;          // false: older blocks may be there; what they point to counts as reachable
  uint64_t lost_records = 0;      // blocks that the heap layer had no room to record
  bool clean_up_missing = false;  // the libraries would have freed their own blocks, had other threads not been there
  std::map<protocol::HeapFunction, uint64_t> functions;
  StackReader depot;
  ModuleMap modules;
  double milliseconds = 0;  // that the process stood still for it
};

struct SnapshotRequest {
  unsigned heuristics = kAllHeuristics;
  bool at_end = false;                   // the process ends
  std::optional<LibraryData> libraries;  // as they were before the clean-up
};

// By so many threads all parts of a leak check are done that can be shared.
unsigned leak_check_threads();

// None if the process has no heap layer.
std::optional<LeakSnapshot> take_leak_snapshot(const StoppedProcess& process, SnapshotRequest request);

}  // namespace vsup::supervisor::leaks
