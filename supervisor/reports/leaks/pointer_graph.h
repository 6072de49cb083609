// Purpose: which block points to which, read from the process once, in the order of addresses, in pieces that stay in
// the processor's cache: the blocks' contents are never kept.
// Assumes: the process stands still. Promises: what cannot be read holds no pointers.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/heuristics.h"
#include "supervisor/reports/leaks/library_data.h"
#include "supervisor/reports/leaks/memory_ranges.h"

namespace vsup::supervisor::leaks {

inline constexpr uint32_t kMaxBlocks = 1u << 27;

// The block pointed to, and how: to its start, or into it, and then by which heuristic.
class Pointer {
 public:
  Pointer(uint32_t block, bool exact) : bits_(block | (exact ? kExactBit : 0)) {}

  uint32_t block() const { return bits_ & (kMaxBlocks - 1); }
  bool exact() const { return (bits_ & kExactBit) != 0; }
  uint8_t heuristic() const { return static_cast<uint8_t>(1u << (bits_ >> 28) >> 1); }
  bool keeps() const { return bits_ >= kMaxBlocks; }  // to the start, or as good as that
  // One of Heuristic, once.
  void set_heuristic(uint8_t heuristic) { bits_ |= static_cast<uint32_t>(std::bit_width(heuristic)) << 28; }

 private:
  static constexpr uint32_t kExactBit = kMaxBlocks;
  uint32_t bits_;
};
static_assert(kHeuristicCount < 16 && sizeof(Pointer) == 4);

struct PointerGraph {
  ZeroedArray<uint64_t> first;  // block i's pointers are pointers[first[i]] to pointers[first[i + 1]] - 1
  LargeVector<Pointer> pointers;
  LargeVector<Pointer> roots;  // from outside all blocks
  uint64_t bytes_read = 0;
};

struct GraphInput {
  const Blocks& blocks;      // normalized, at most kMaxBlocks
  std::vector<Range> heap;   // normalized: where blocks have memory behind them
  std::vector<Range> roots;  // normalized, without the allocators' memory
  std::vector<uint64_t> registers;
  unsigned heuristics = kAllHeuristics;
  std::vector<Range> files, code;  // of HeuristicFinder
  ReadMemory read;
  unsigned threads = 2;
  std::vector<SavedMemory> saved{};  // that is not there any more, and holds roots
  bool plain = false;                // reads words one by one, as where the processor cannot read eight at once
};

// Empty `first` if there is no memory for it.
PointerGraph read_pointers(const GraphInput& input);

}  // namespace vsup::supervisor::leaks
