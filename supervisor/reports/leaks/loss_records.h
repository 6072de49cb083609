// Purpose: blocks of one kind from one place as one loss record, now and at the check before. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "supervisor/reports/leaks/leak_scan.h"

namespace vsup::supervisor::leaks {

struct Amount {
  uint64_t bytes = 0, indirect_bytes = 0, blocks = 0;
  bool operator==(const Amount&) const = default;
};

struct LossRecord {
  LeakKind kind = LeakKind::kDefinite;
  uint32_t origin = 0;  // where the blocks were made; an earlier one has a smaller number
  Amount now, before;

  uint64_t total_bytes() const { return now.bytes + now.indirect_bytes; }
};

// Which records a check is about, compared with the check before.
enum class LeakDelta { kAny, kIncreased, kChanged, kNew };

bool concerns(LeakDelta delta, const LossRecord& record);

struct Totals {
  uint64_t bytes = 0, blocks = 0;
};

class LossRecords {
 public:
  // A check begins: what was found becomes what was before.
  void begin_check();
  // Blocks of one kind and origin, reachable by one heuristic if at all.
  void add(LeakKind kind, uint32_t origin, const Amount& amount, uint8_t heuristic);

  // In the order in which Memcheck shows them: smallest first (cmp_LossRecords).
  std::vector<LossRecord> sorted() const;

  const Totals& by_heuristic(unsigned index) const { return heuristic_[index]; }
  const Totals& by_heuristic_before(unsigned index) const { return heuristic_before_[index]; }

 private:
  uint32_t& number_of(LeakKind kind, uint32_t origin);

  std::vector<LossRecord> records_;
  std::vector<uint32_t> numbers_;  // by origin and kind: number + 1 of the record, 0: none
  Totals heuristic_[kHeuristicCount], heuristic_before_[kHeuristicCount];
};

}  // namespace vsup::supervisor::leaks
