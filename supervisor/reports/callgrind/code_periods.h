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

class CodePeriods {
 public:
  static constexpr size_t kMost = 1 << 16;

  // `module` is about to be executed for the first time, `blocks` have been recorded before.
  void note(const MappedModule& module, uint64_t blocks);

  // Adds modules that are not there any more to `modules`, which are those that are. Code that something else took the
  // place of is moved to addresses that no process has, its records and its module alike.
  void apply(std::span<agent::callgrind::BlockRecord> blocks, std::span<agent::callgrind::EdgeRecord> edges,
             std::vector<Module>& modules) const;

 private:
  struct Period {
    std::string path;
    uint64_t inode = 0, start = 0, end = 0, offset = 0;
    uint64_t first_block = 0;
    bool replaced = false;
    uint64_t moved = 0;  // by so much, when replaced
  };
  uint64_t moved(uint64_t pc, uint64_t block) const;

  std::vector<Period> periods_;  // in the order in which they began
  uint64_t next_place_ = kFirstPlace;
  static constexpr uint64_t kFirstPlace = uint64_t{1} << 63;
};

}  // namespace vsup::supervisor::callgrind
