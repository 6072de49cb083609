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
  std::erase_if(records_, [](const LossRecord& record) { return record.now.blocks == 0; });
  numbers_.clear();
  for (LossRecord& record : records_) {
    record.before = record.now;
    record.now = {};
    number_of(record.kind, record.origin) = static_cast<uint32_t>(&record - records_.data()) + 1;
  }
  for (unsigned i = 0; i < kHeuristicCount; ++i) {
    heuristic_before_[i] = heuristic_[i];
    heuristic_[i] = {};
  }
}

uint32_t& LossRecords::number_of(LeakKind kind, uint32_t origin) {
  const size_t place = size_t{origin} * kLeakKindCount + static_cast<size_t>(kind);
  if (place >= numbers_.size()) numbers_.resize(size_t{origin + 1} * kLeakKindCount);
  return numbers_[place];
}

void LossRecords::add(LeakKind kind, uint32_t origin, const Amount& amount, uint8_t heuristic) {
  uint32_t& number = number_of(kind, origin);
  if (number == 0) {
    records_.push_back({kind, origin, {}, {}});
    number = static_cast<uint32_t>(records_.size());
  }
  LossRecord& record = records_[number - 1];
  record.now.bytes += amount.bytes;
  record.now.indirect_bytes += amount.indirect_bytes;
  record.now.blocks += amount.blocks;
  if (heuristic == kNoHeuristic) return;
  for (unsigned i = 0; i < kHeuristicCount; ++i) {
    if (heuristic != 1u << i) continue;
    heuristic_[i].bytes += amount.bytes;
    heuristic_[i].blocks += amount.blocks;
  }
}

std::vector<LossRecord> LossRecords::sorted() const {
  std::vector<LossRecord> records = records_;
  std::sort(records.begin(), records.end(), [](const LossRecord& a, const LossRecord& b) {
    return std::tuple(a.total_bytes(), a.kind, a.now.blocks, a.origin) <
           std::tuple(b.total_bytes(), b.kind, b.now.blocks, b.origin);
  });
  return records;
}

}  // namespace vsup::supervisor::leaks
