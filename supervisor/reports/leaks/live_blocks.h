// Purpose: the live blocks of a process's heap, out of the agent's index.
// Assumes: every thread of the process stands still or has ended. Promises: trusts no number it reads.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/heap.h"
#include "supervisor/base/large_allocator.h"
#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/memory_ranges.h"
#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor::leaks {

// Who made a block: a stack of the depot and the function that it called. There are millions of them.
class BlockOrigin {
 public:
  BlockOrigin(uint32_t stack, protocol::HeapFunction function)
      : bits_((stack > protocol::PlacedBlock::kMaxStack ? 0 : stack) | static_cast<uint32_t>(function) << kStackBits) {}

  uint32_t stack() const { return bits_ & protocol::PlacedBlock::kMaxStack; }
  bool operator==(const BlockOrigin&) const = default;
  protocol::HeapFunction function() const { return static_cast<protocol::HeapFunction>(bits_ >> kStackBits); }

 private:
  static constexpr unsigned kStackBits = 26;
  static_assert(protocol::PlacedBlock::kMaxStack == (1u << kStackBits) - 1);
  uint32_t bits_;
};
using BlockOrigins = LargeVector<BlockOrigin>;

struct LiveBlocks {
  Blocks blocks;             // normalized
  BlockOrigins origins;      // block i's
  std::vector<Range> pages;  // normalized: those that blocks touch
  uint64_t bytes = 0;        // of all blocks
  bool of_python = false;    // some are of Python's own allocators
  bool all_known = true;     // false: the program has run without hooks, there may be others
  uint64_t lost = 0;         // not recorded, because the index was full
};

// Empty if the process has no heap layer. By `threads` threads, at least one.
LiveBlocks read_live_blocks(const StoppedProcess& process, unsigned threads);

}  // namespace vsup::supervisor::leaks
