// Purpose: the heap of one process over time, as data.
// Promises: plain data; taken while the process stands still, used on any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/tools/massif/records.h"
#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/stack_reader.h"

namespace vsup::supervisor::massif {

struct SnapshotData {
  bool peak = false, detailed = false;
  uint64_t time = 0;
  uint64_t heap_bytes = 0, extra_bytes = 0, stack_bytes = 0;
  // Of a detailed one: the changes that lead to what stacks hold are HeapProfile::changes up to this one, not less than
  // in the one before; and how many of HeapProfile::seen had been seen.
  size_t changes = 0;
  uint64_t seen = 0;
};

struct HeapProfile {
  pid_t pid = 0;
  std::string command;
  std::vector<SnapshotData> snapshots;
  std::vector<agent::massif::Change> changes;
  std::vector<uint32_t> seen;  // stacks that have ever allocated, in the order of their first time
  // Where stacks weighted by bytes are wanted: by id, at the end and ever allocated.
  bool weighted = false;
  std::vector<std::pair<uint32_t, uint64_t>> live, totals;
  StackReader stacks;
  ModuleMap modules;
  // That the agent had no room to record: blocks, and changes for detailed snapshots.
  uint64_t lost_blocks = 0, lost_changes = 0;
};

}  // namespace vsup::supervisor::massif
