// Purpose: which block an address points into, for hundreds of millions of addresses a second.
// Assumes: blocks sorted by start, each start above the end of the one before. Promises: read only once built.
//
// A two-level table has for each granule of 256 bytes that a block touches the last block starting before the granule's
// end, and at which multiples of 16 blocks start in it: a pointer to a block's start, as most are, is known from this
// alone. A block of size 0 counts as one byte, as in Memcheck.
#pragma once

#include <cstdint>
#include <vector>

#include "supervisor/base/large_allocator.h"

namespace vsup::supervisor::leaks {

struct Block {
  uint64_t start = 0;
  uint64_t size = 0;

  uint64_t end() const { return start + (size == 0 ? 1 : size); }
};

using Blocks = LargeVector<Block>;

// A block to be sorted.
struct StartOf {
  uint64_t start;
  uint32_t index;
};
// Of equal starts each stays where it is.
void sort_by_start(LargeVector<StartOf>& blocks);
// Whether it is in the 47 bits of user space.
bool may_be_block(const Block& block);

// Sorts; of blocks that overlap the first stays. `order[i]` says which one of the given blocks is now block i.
Blocks normalized_blocks(const Blocks& blocks, std::vector<uint32_t>& order);

class BlockTable {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit BlockTable(const Blocks& blocks, unsigned threads = 1);
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  bool valid() const { return valid_; }  // false: no memory for the table

  // Whether find() is worth the call: between the first and the last block.
  bool in_range(uint64_t address) const { return address - low_ < span_; }
  uint64_t low() const { return low_; }
  uint64_t span() const { return span_; }

  // What the table alone says: block number + 1 of the only one that may hold the address, or of a later one; 0: none.
  struct Candidate {
    uint32_t number;
    bool exact;  // the address is this block's start
  };

  // Three steps of one look-up, so that many can be under way: fetch the table's entry, then the block, then compare.
  void prefetch_entry(uint64_t address) const { __builtin_prefetch(entry(address)); }
  Candidate candidate(uint64_t address) const {
    const uint64_t found = *entry(address);
    const auto last = static_cast<uint32_t>(found);
    const auto starts = static_cast<uint32_t>(found >> kStartsShift) & kAllStarts;
    const unsigned slot = address >> kSlotShift & (kSlots - 1);
    if ((found & kUneven) != 0) {
      __builtin_prefetch(&blocks_[last - 1]);
      return {last, false};
    }
    const uint32_t number = last - ones(starts >> slot >> 1);  // without those that start further on
    const bool exact = (starts >> slot & 1) != 0 && address % (1u << kSlotShift) == 0;
    if (!exact && number != 0) __builtin_prefetch(&blocks_[number - 1]);
    return {number, exact};
  }
  uint32_t find_from(uint32_t number, uint64_t address) const {
    for (uint32_t i = number; i-- > 0;) {
      const Block& block = blocks_[i];
      if (block.start <= address) return address < block.end() ? i : kNone;
    }
    return kNone;
  }

  uint32_t find(uint64_t address) const {
    return in_range(address) ? find_from(candidate(address).number, address) : kNone;
  }

 private:
  static constexpr unsigned kGranuleShift = 8;
  static constexpr unsigned kRegionShift = 26;
  static constexpr unsigned kEntryBits = kRegionShift - kGranuleShift;
  static constexpr unsigned kSlotShift = 4;
  static constexpr unsigned kSlots = 1u << (kGranuleShift - kSlotShift);

  // An entry: number + 1 of the last block; above it a bit for each slot at which one starts; whether one starts
  // between.
  static constexpr unsigned kStartsShift = 32;
  static constexpr uint32_t kAllStarts = (1u << kSlots) - 1;
  static constexpr uint64_t kUneven = uint64_t{1} << (kStartsShift + kSlots);

  // Of 16 bits: without the processor's instruction for it the compiler calls a function.
  static uint32_t ones(uint32_t bits) {
    bits -= bits >> 1 & 0x5555;
    bits = (bits & 0x3333) + (bits >> 2 & 0x3333);
    bits = (bits + (bits >> 4)) & 0x0f0f;
    return (bits + (bits >> 8)) & 31;
  }

  uint64_t place(uint64_t address) const {
    return uint64_t{numbers_[address >> kRegionShift]} << kEntryBits |
           (address >> kGranuleShift & ((1u << kEntryBits) - 1));
  }
  // `address` is in range.
  const uint64_t* entry(uint64_t address) const { return &pool_[place(address)]; }

  uint32_t number_regions();
  void enter(size_t first, size_t end);

  const Blocks& blocks_;
  uint64_t low_ = 0, span_ = 0;
  ZeroedArray<uint32_t> numbers_;  // of the region in pool_; 0: the region of zeros
  ZeroedArray<uint64_t> pool_;
  bool valid_ = false;
};

}  // namespace vsup::supervisor::leaks
