#include "supervisor/reports/leaks/block_table.h"

#include <sys/mman.h>

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kAddressEnd = uint64_t{1} << 47;
constexpr uint64_t kNumbersSize = (kAddressEnd >> 26) * sizeof(uint32_t);

uint32_t* reserve(uint64_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<uint32_t*>(memory);
}

struct Keyed {
  uint64_t start;
  uint32_t index;
};

// By digits of 11 bits, lowest first, as far as the starts differ: the heap layer gives millions of blocks in no order.
// Equal starts stay in their order.
void sort_by_start(std::vector<Keyed>& keyed) {
  constexpr unsigned kDigit = 11;
  uint64_t differing = 0;
  bool sorted = true;
  for (size_t i = 1; i < keyed.size(); ++i) {
    differing |= keyed[i].start ^ keyed[0].start;
    sorted = sorted && keyed[i - 1].start <= keyed[i].start;
  }
  if (sorted) return;
  std::vector<Keyed> other(keyed.size());
  for (unsigned shift = 0; shift < 64 && differing >> shift != 0; shift += kDigit) {
    const auto digit = [shift](const Keyed& entry) { return entry.start >> shift & ((1u << kDigit) - 1); };
    if ((differing >> shift & ((1u << kDigit) - 1)) == 0) continue;
    std::vector<size_t> places(1u << kDigit);
    for (const Keyed& entry : keyed) ++places[digit(entry)];
    size_t next = 0;
    for (size_t& place : places) {
      const size_t count = place;
      place = next;
      next += count;
    }
    for (const Keyed& entry : keyed) other[places[digit(entry)]++] = entry;
    keyed.swap(other);
  }
}

}  // namespace

std::vector<Block> normalized_blocks(const std::vector<Block>& blocks, std::vector<uint32_t>& order) {
  std::vector<Keyed> keyed(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) keyed[i] = {blocks[i].start, static_cast<uint32_t>(i)};
  sort_by_start(keyed);
  std::vector<Block> sorted;
  sorted.reserve(blocks.size());
  order.clear();
  order.reserve(blocks.size());
  for (const Keyed& entry : keyed) {
    const Block& block = blocks[entry.index];
    if (block.start == 0 || block.start >= kAddressEnd || block.size > kAddressEnd - block.start) continue;
    if (!sorted.empty() && block.start < sorted.back().end()) continue;
    sorted.push_back(block);
    order.push_back(entry.index);
  }
  return sorted;
}

BlockTable::BlockTable(const std::vector<Block>& blocks) : blocks_(blocks) {
  if (blocks.empty()) {
    valid_ = true;
    return;
  }
  numbers_ = reserve(kNumbersSize);
  if (numbers_ == nullptr) return;
  uint32_t count = 0;
  for (const Block& block : blocks) {
    for (uint64_t region = block.start >> kRegionShift; region <= (block.end() - 1) >> kRegionShift; ++region) {
      if (numbers_[region] == 0) numbers_[region] = ++count;
    }
  }
  pool_size_ = (uint64_t{count} + 1) * (sizeof(uint32_t) << kEntryBits);
  pool_ = reserve(pool_size_);
  if (pool_ == nullptr) return;
  madvise(pool_, pool_size_, MADV_HUGEPAGE);
  for (uint32_t i = 0; i < blocks.size(); ++i) {
    const uint64_t last = (blocks[i].end() - 1) >> kGranuleShift;
    for (uint64_t granule = blocks[i].start >> kGranuleShift; granule <= last; ++granule) {
      const uint64_t number = numbers_[granule >> kEntryBits];
      pool_[(number << kEntryBits) | (granule & ((1u << kEntryBits) - 1))] = i + 1;
    }
  }
  low_ = blocks.front().start;
  span_ = blocks.back().end() - low_;
  valid_ = true;
}

BlockTable::~BlockTable() {
  if (numbers_ != nullptr) munmap(numbers_, kNumbersSize);
  if (pool_ != nullptr) munmap(pool_, pool_size_);
}

}  // namespace vsup::supervisor::leaks
