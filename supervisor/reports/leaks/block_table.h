// Purpose: which block an address points into, for hundreds of millions of addresses a second.
// Assumes: blocks sorted by start, each start above the end of the one before. Promises: read only once built.
//
// A two-level table has for each granule of 128 bytes that a block touches the last block starting before the granule's
// end; from there it is a few blocks back at most. A block of size 0 counts as one byte, as in Memcheck.
#pragma once

#include <cstdint>
#include <vector>

namespace vsup::supervisor::leaks {

struct Block {
  uint64_t start = 0;
  uint64_t size = 0;

  uint64_t end() const { return start + (size == 0 ? 1 : size); }
};

// Sorts; of blocks that overlap the first stays; what lies outside the 47 bits of user space is dropped. `order[i]`
// says which one of the given blocks is now block i.
std::vector<Block> normalized_blocks(const std::vector<Block>& blocks, std::vector<uint32_t>& order);

class BlockTable {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  explicit BlockTable(const std::vector<Block>& blocks);
  ~BlockTable();
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  bool valid() const { return valid_; }  // false: no memory for the table

  // Whether find() is worth the call: between the first and the last block.
  bool in_range(uint64_t address) const { return address - low_ < span_; }
  uint64_t low() const { return low_; }
  uint64_t span() const { return span_; }

  // Three steps of one look-up, so that many can be under way: fetch the table's entry, then the block, then compare.
  void prefetch_entry(uint64_t address) const { __builtin_prefetch(entry(address)); }
  uint32_t candidate(uint64_t address) const {  // 1 + index, 0: none
    const uint32_t last = *entry(address);
    __builtin_prefetch(&blocks_[last == 0 ? 0 : last - 1]);
    return last;
  }
  uint32_t find_from(uint32_t candidate, uint64_t address) const {
    for (uint32_t i = candidate; i-- > 0;) {
      const Block& block = blocks_[i];
      if (block.start <= address) return address < block.end() ? i : kNone;
    }
    return kNone;
  }

  uint32_t find(uint64_t address) const { return in_range(address) ? find_from(*entry(address), address) : kNone; }

 private:
  static constexpr unsigned kGranuleShift = 7;
  static constexpr unsigned kRegionShift = 26;
  static constexpr unsigned kEntryBits = kRegionShift - kGranuleShift;

  // `address` is in range.
  const uint32_t* entry(uint64_t address) const {
    return pool_ + ((uint64_t{numbers_[address >> kRegionShift]} << kEntryBits) |
                    ((address >> kGranuleShift) & ((1u << kEntryBits) - 1)));
  }

  const std::vector<Block>& blocks_;
  uint64_t low_ = 0, span_ = 0;
  uint32_t* numbers_ = nullptr;  // of the region in pool_; 0: the region of zeros
  uint32_t* pool_ = nullptr;
  uint64_t pool_size_ = 0;
  bool valid_ = false;
};

}  // namespace vsup::supervisor::leaks
