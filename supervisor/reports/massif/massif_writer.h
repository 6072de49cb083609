// Purpose: the text of a massif.out file. Source of the format: what Valgrind 3.19's massif writes, and what ms_print
// and massif-visualizer require (desc, cmd, time_unit, then the members of each snapshot in a fixed order).
// Assumes: the frames of stacks are described by the caller. Promises: pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "supervisor/reports/massif/contexts.h"

namespace vsup::supervisor::massif {

struct WriterOptions {
  std::string description;  // the options given
  std::string time_unit;    // i, ms, B
  bool pages = false;       // blocks are pages
  unsigned depth = 30;
  double threshold = 1.0;  // percent
  std::set<std::string> alloc_fns;
};

std::string write_massif(const HeapProfile& profile, const WriterOptions& options, const Describe& describe,
                         const NameSymbol& name_symbol);

}  // namespace vsup::supervisor::massif
