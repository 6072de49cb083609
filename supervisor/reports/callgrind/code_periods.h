// Purpose: which files' code lay where, and when: a library that was unloaded keeps its names, and its counts are not
// taken for those of what was mapped in its place.
// Assumes: blocks and edges are recorded in the order in which they are met (agent/tools/callgrind/records.h), so that
// the number of blocks is a clock. Promises: plain data; trusts no number it reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/tools/callgrind/records.h"
#include "supervisor/session/session_observer.h"
#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor::callgrind {

// A module of which only the mapping that has the code is known.
Module module_of_code(const MappedModule& mapped);

class CodePeriods {
 public:
  static constexpr size_t kMost = 1 << 16;

  // `module` is about to be executed for the first time, `blocks` have been recorded before.
  void note(const MappedModule& module, uint64_t blocks);

  // Adds modules that are not there any more to `modules`, which are those that are. Code that something else took the
  // place of is moved to addresses that no process has, its records and its module alike. `passed`: the table that
  // edges have their parts of.
  void apply(std::span<agent::callgrind::BlockRecord> blocks, std::span<agent::callgrind::EdgeRecord> edges,
             std::span<uint64_t> passed, std::vector<Module>& modules) const;

 private:
  struct Period {
    MappedModule code;
    uint64_t first_block = 0;
    bool replaced = false;
  };

  std::vector<Period> periods_;  // in the order in which they began
};

}  // namespace vsup::supervisor::callgrind
