#include "supervisor/reports/leaks/block_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <thread>

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kAddressEnd = uint64_t{1} << 47;

}  // namespace

// By digits of 11 bits, lowest first, as far as the starts differ: the heap layer gives millions of blocks in no order.
// Equal starts stay in their order.
void sort_by_start(LargeVector<StartOf>& blocks) {
  constexpr unsigned kDigit = 11;
  uint64_t differing = 0;
  bool sorted = true;
  for (size_t i = 1; i < blocks.size(); ++i) {
    differing |= blocks[i].start ^ blocks[0].start;
    sorted = sorted && blocks[i - 1].start <= blocks[i].start;
  }
  if (sorted) return;
  LargeVector<StartOf> other;
  resize_pages(other, blocks.size());
  for (unsigned shift = 0; shift < 64 && differing >> shift != 0; shift += kDigit) {
    const auto digit = [shift](const StartOf& entry) { return entry.start >> shift & ((1u << kDigit) - 1); };
    if ((differing >> shift & ((1u << kDigit) - 1)) == 0) continue;
    std::vector<size_t> places(1u << kDigit);
    for (const StartOf& entry : blocks) ++places[digit(entry)];
    size_t next = 0;
    for (size_t& place : places) {
      const size_t count = place;
      place = next;
      next += count;
    }
    for (const StartOf& entry : blocks) other[places[digit(entry)]++] = entry;
    blocks.swap(other);
  }
}

bool may_be_block(const Block& block) {
  return block.start != 0 && block.start < kAddressEnd && block.size <= kAddressEnd - block.start;
}

Blocks normalized_blocks(const Blocks& blocks, std::vector<uint32_t>& order) {
  LargeVector<StartOf> starts;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (may_be_block(blocks[i])) starts.push_back({blocks[i].start, static_cast<uint32_t>(i)});
  }
  sort_by_start(starts);
  Blocks sorted;
  order.clear();
  for (const StartOf& entry : starts) {
    if (!sorted.empty() && entry.start < sorted.back().end()) continue;
    sorted.push_back(blocks[entry.index]);
    order.push_back(entry.index);
  }
  return sorted;
}

// From region to region: a block is looked at only where it is the first or the last one of its region.
uint32_t BlockTable::number_regions() {
  uint32_t count = 0;
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const uint64_t start = block->start >> kRegionShift, last = (block->end() - 1) >> kRegionShift;
    if (numbers_[start] == 0) numbers_[start] = ++count;
    // Those wholly within the block have one number: a block of terabytes that is hardly used costs no more.
    if (start + 1 < last) std::fill(&numbers_[start + 1], &numbers_[last], ++count);
    if (start < last) numbers_[last] = ++count;
    block = std::partition_point(block + 1, blocks_.end(),
                                 [last](const Block& b) { return (b.end() - 1) >> kRegionShift <= last; });
  }
  return count;
}

void BlockTable::enter(size_t first, size_t end) {
  for (size_t i = first; i < end; ++i) {
    const Block& block = blocks_[i];
    const uint64_t starts = block.start % (1u << kSlotShift) != 0
                                ? kUneven
                                : uint64_t{1} << (kStartsShift + (block.start >> kSlotShift & (kSlots - 1)));
    const uint64_t number = i + 1;
    uint64_t& entry = pool_[place(block.start)];
    entry = (entry >> kStartsShift << kStartsShift) | starts | number;
    const uint64_t last = (block.end() - 1) >> kGranuleShift;
    const uint64_t within = (block.start >> kRegionShift) + 2, last_region = last >> kEntryBits;
    for (uint64_t granule = (block.start >> kGranuleShift) + 1; granule <= last; ++granule) {
      if (granule == within << kEntryBits && within < last_region) granule = last_region << kEntryBits;
      pool_[place(granule << kGranuleShift)] = number;
    }
  }
}

BlockTable::BlockTable(const Blocks& blocks, unsigned threads) : blocks_(blocks) {
  if (blocks.empty()) {
    valid_ = true;
    return;
  }
  try {
    numbers_ = ZeroedArray<uint32_t>(kAddressEnd >> kRegionShift);
    pool_ = ZeroedArray<uint64_t>((uint64_t{number_regions()} + 1) << kEntryBits);
  } catch (const std::bad_alloc&) {
    return;
  }
  madvise(&pool_[0], pool_.size() * sizeof(uint64_t), MADV_HUGEPAGE);
  // Shared out where no two blocks touch the same granule.
  std::vector<std::thread> helpers;
  size_t first = 0;
  for (unsigned i = 1; i < threads; ++i) {
    size_t end = std::max(first + 1, blocks.size() / threads * i);
    while (end < blocks.size() && blocks[end].start >> kGranuleShift == (blocks[end - 1].end() - 1) >> kGranuleShift) {
      ++end;
    }
    if (end >= blocks.size()) break;
    helpers.emplace_back([this, first, end] { enter(first, end); });
    first = end;
  }
  enter(first, blocks.size());
  for (std::thread& helper : helpers) helper.join();
  low_ = blocks.front().start;
  span_ = blocks.back().end() - low_;
  valid_ = true;
}

}  // namespace vsup::supervisor::leaks
