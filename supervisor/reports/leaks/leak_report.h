// Purpose: a leak check in Memcheck's words, and as errors for the XML file. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "supervisor/reports/error_dedup.h"
#include "supervisor/reports/leaks/loss_records.h"
#include "supervisor/reports/suppressions.h"
#include "supervisor/reports/valgrind_xml.h"

namespace vsup::supervisor::leaks {

enum class LeakDetail { kNone, kSummary, kFull };  // --leak-check=

struct LeakReportOptions {
  LeakDetail detail = LeakDetail::kFull;
  LeakDelta delta = LeakDelta::kAny;
  LeakKinds shown = leak_kinds_of(LeakKind::kDefinite) | leak_kinds_of(LeakKind::kPossible);
  LeakKinds errors = shown;
  bool generate_suppressions = false;
  bool requested = false;  // by somebody who waits, not by the program's end
};

// The totals that the summary shows; kept from one check to the next for the differences.
struct LeakTotals {
  Totals kinds[kLeakKindCount];
  Totals suppressed;
};

struct LeakReport {
  std::string text;  // lines; records that are shown, then the summary
  std::vector<XmlLeak> errors;
  LeakTotals totals;
  size_t records = 0, shown = 0;
};

// `stack_of` names an origin's frames. `suppressions` and `dedup` count what they see.
LeakReport make_leak_report(const LossRecords& records, const LeakTotals& before, const LeakReportOptions& options,
                            const std::function<const std::vector<ReportFrame>&(uint32_t origin)>& stack_of,
                            SuppressionSet& suppressions, ErrorDedup& dedup);

struct HeapUse {
  uint64_t bytes = 0, blocks = 0;  // in use
  uint64_t allocations = 0, frees = 0, allocated_bytes = 0;
};

// "HEAP SUMMARY:", three lines.
std::string heap_summary(const HeapUse& use, bool at_exit);

}  // namespace vsup::supervisor::leaks
