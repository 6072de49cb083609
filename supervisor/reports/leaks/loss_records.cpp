#include "supervisor/reports/leaks/loss_records.h"

#include <algorithm>
#include <tuple>

namespace vsup::supervisor::leaks {

bool concerns(LeakDelta delta, const LossRecord& record) {
  const Amount& now = record.now;
  const Amount& before = record.before;
  switch (delta) {
    case LeakDelta::kAny:
      return now.blocks > 0;
    case LeakDelta::kIncreased:
      return now.bytes > before.bytes || now.indirect_bytes > before.indirect_bytes || now.blocks > before.blocks;
    case LeakDelta::kChanged:
      return now != before;
    case LeakDelta::kNew:
      return now.blocks > 0 && before.blocks == 0;
  }
  return false;
}

void LossRecords::begin_check() {
  std::erase_if(records_, [](const auto& entry) { return entry.second.now.blocks == 0; });
  for (auto& [key, record] : records_) {
    record.before = record.now;
    record.now = {};
  }
  for (unsigned i = 0; i < kHeuristicCount; ++i) {
    heuristic_before_[i] = heuristic_[i];
    heuristic_[i] = {};
  }
}

void LossRecords::add(LeakKind kind, uint32_t origin, const Block& block, const BlockResult& result) {
  LossRecord& record = records_[{kind, origin}];
  record.kind = kind;
  record.origin = origin;
  record.now.bytes += block.size;
  record.now.indirect_bytes += result.indirect_bytes;
  ++record.now.blocks;
  for (unsigned i = 0; i < kHeuristicCount; ++i) {
    if (result.heuristic != 1u << i) continue;
    heuristic_[i].bytes += block.size;
    ++heuristic_[i].blocks;
  }
}

std::vector<LossRecord> LossRecords::sorted() const {
  std::vector<LossRecord> records;
  records.reserve(records_.size());
  for (const auto& [key, record] : records_) records.push_back(record);
  std::sort(records.begin(), records.end(), [](const LossRecord& a, const LossRecord& b) {
    return std::tuple(a.total_bytes(), a.kind, a.now.blocks, a.origin) <
           std::tuple(b.total_bytes(), b.kind, b.now.blocks, b.origin);
  });
  return records;
}

}  // namespace vsup::supervisor::leaks
