// Purpose: the heap of one process over time, as data.
// Promises: plain data; taken while the process stands still, used on any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/stack_reader.h"

namespace vsup::supervisor::massif {

struct SnapshotData {
  bool peak = false, detailed = false;
  uint64_t time = 0;
  uint64_t heap_bytes = 0, extra_bytes = 0, stack_bytes = 0;
  std::vector<std::pair<uint32_t, uint64_t>> stacks;  // id and live bytes, of a detailed one
};

struct HeapProfile {
  pid_t pid = 0;
  std::string command;
  std::vector<SnapshotData> snapshots;
  // Where stacks weighted by bytes are wanted: by id, at the end and ever allocated.
  bool weighted = false;
  std::vector<std::pair<uint32_t, uint64_t>> live, totals;
  StackReader stacks;
  ModuleMap modules;
  uint64_t lost_blocks = 0;  // that the agent had no room to record
};

}  // namespace vsup::supervisor::massif
