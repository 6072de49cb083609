// Purpose: the live blocks of a process's heap, out of the agent's index.
// Assumes: every thread of the process stands still or has ended. Promises: trusts no number it reads.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor {

struct LiveBlock {
  uint64_t address = 0, size = 0;
  uint32_t stack = 0;  // of the depot
  protocol::HeapFunction function = protocol::HeapFunction::kMalloc;
};

struct LiveBlocks {
  std::vector<LiveBlock> blocks;  // in no order
  bool of_python = false;         // some are of Python's own allocators
  bool all_known = true;          // false: the program has run without hooks, there may be others
  uint64_t lost = 0;              // not recorded, because the index was full
  std::map<protocol::HeapFunction, uint64_t> functions;  // where hooked functions are, of several the first
};

// Empty if the process has no heap layer.
LiveBlocks read_live_blocks(const StoppedProcess& process);

}  // namespace vsup::supervisor
