#include "supervisor/reports/leaks/block_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <numeric>

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kAddressEnd = uint64_t{1} << 47;
constexpr uint64_t kNumbersSize = (kAddressEnd >> 26) * sizeof(uint32_t);

uint32_t* reserve(uint64_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<uint32_t*>(memory);
}

}  // namespace

std::vector<Block> normalized_blocks(const std::vector<Block>& blocks, std::vector<uint32_t>& order) {
  order.resize(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](uint32_t a, uint32_t b) { return blocks[a].start < blocks[b].start; };
  if (!std::is_sorted(order.begin(), order.end(), before)) std::stable_sort(order.begin(), order.end(), before);
  std::vector<Block> sorted;
  sorted.reserve(blocks.size());
  size_t kept = 0;
  for (const uint32_t index : order) {
    const Block& block = blocks[index];
    if (block.start == 0 || block.start >= kAddressEnd || block.size > kAddressEnd - block.start) continue;
    if (!sorted.empty() && block.start < sorted.back().end()) continue;
    sorted.push_back(block);
    order[kept++] = index;
  }
  order.resize(kept);
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
