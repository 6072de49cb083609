// Purpose: cachegrind.out, for cg_annotate, cg_diff, cg_merge and KCachegrind.
// Format: Valgrind's manual, "Cachegrind file format": (desc:)* cmd: events: (fl= fn= lines)+ summary:
// Promises: pure; costs are by file, function and line over all objects and threads; summary is their sum.
#pragma once

#include <string>

#include "supervisor/reports/callgrind/group.h"

namespace vsup::supervisor::callgrind {

// `profile` is grouped by line, not by instruction.
std::string write_cachegrind(const Grouped& profile);

}  // namespace vsup::supervisor::callgrind
