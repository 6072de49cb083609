#include "supervisor/reports/leaks/leak_report.h"

#include <cstdio>

#include "supervisor/reports/numbers.h"

namespace vsup::supervisor::leaks {
namespace {

const char* loss_words(LeakKind kind) {
  switch (kind) {
    case LeakKind::kReachable:
      return "still reachable";
    case LeakKind::kPossible:
      return "possibly lost";
    case LeakKind::kIndirect:
      return "indirectly lost";
    case LeakKind::kDefinite:
      return "definitely lost";
  }
  return "";
}

const char* xml_kind(LeakKind kind) {
  switch (kind) {
    case LeakKind::kReachable:
      return "Leak_StillReachable";
    case LeakKind::kPossible:
      return "Leak_PossiblyLost";
    case LeakKind::kIndirect:
      return "Leak_IndirectlyLost";
    case LeakKind::kDefinite:
      return "Leak_DefinitelyLost";
  }
  return "";
}

// A number, and in a comparing check how it has changed: "1,200 (+80)".
class Numbers {
 public:
  explicit Numbers(LeakDelta delta) : with_change_(delta != LeakDelta::kAny) {}

  std::string show(uint64_t now, uint64_t before) const {
    std::string text = with_commas(now);
    if (!with_change_) return text;
    return text + (now >= before ? " (+" + with_commas(now - before) : " (-" + with_commas(before - now)) + ")";
  }
  std::string amount(const Totals& now, const Totals& before) const {
    return show(now.bytes, before.bytes) + " bytes in " + show(now.blocks, before.blocks) + " blocks";
  }

 private:
  bool with_change_;
};

std::string record_text(const LossRecord& record, const Numbers& numbers, size_t number, size_t count) {
  const Amount& now = record.now;
  const Amount& before = record.before;
  std::string text = numbers.show(record.total_bytes(), before.bytes + before.indirect_bytes);
  if (now.indirect_bytes > 0) {
    text += " (" + numbers.show(now.bytes, before.bytes) + " direct, " +
            numbers.show(now.indirect_bytes, before.indirect_bytes) + " indirect)";
  }
  return text + " bytes in " + numbers.show(now.blocks, before.blocks) + " blocks are " + loss_words(record.kind) +
         " in loss record " + with_commas(number) + " of " + with_commas(count);
}

std::string heuristics_text(const LossRecords& records, const Numbers& numbers) {
  std::string text;
  for (unsigned i = 0; i < kHeuristicCount; ++i) {
    const Totals& now = records.by_heuristic(i);
    const Totals& before = records.by_heuristic_before(i);
    if (now.blocks == 0 && before.blocks == 0) continue;
    if (text.empty()) text = "                      of which reachable via heuristic:\n";
    char name[24];
    std::snprintf(name, sizeof name, "%-19s", heuristic_name(static_cast<uint8_t>(1u << i)));
    text += std::string("                        ") + name + ": " + numbers.amount(now, before) + "\n";
  }
  return text;
}

std::string summary_text(const LeakReport& report, const LossRecords& records, const LeakTotals& before,
                         const LeakReportOptions& options) {
  const Numbers numbers(options.delta);
  std::string text = "LEAK SUMMARY:\n";
  for (unsigned i = kLeakKindCount; i-- > 0;) {
    const std::string words = loss_words(static_cast<LeakKind>(i));
    text += std::string(18 - words.size(), ' ') + words + ": " +
            numbers.amount(report.totals.kinds[i], before.kinds[i]) + "\n";
  }
  text += heuristics_text(records, numbers);
  text += "        suppressed: " + numbers.amount(report.totals.suppressed, before.suppressed) + "\n";
  uint64_t blocks = 0;
  for (const Totals& total : report.totals.kinds) blocks += total.blocks;
  if (options.detail == LeakDetail::kSummary && blocks > 0) {
    text += options.requested ? "To see the loss records, ask without --summary\n"
                              : "Rerun with --leak-check=full to see details of leaked memory\n";
  }
  const Totals& reachable = report.totals.kinds[static_cast<unsigned>(LeakKind::kReachable)];
  if (options.detail == LeakDetail::kFull && reachable.blocks > 0 && !contains(options.shown, LeakKind::kReachable)) {
    text += "Reachable blocks (those to which a pointer was found) are not shown.\n";
    text += options.requested ? "To see them, ask for --show-leak-kinds=all\n"
                              : "To see them, rerun with: --leak-check=full --show-leak-kinds=all\n";
  }
  return text;
}

void count(Totals& totals, const LossRecord& record) {
  totals.bytes += record.now.bytes;
  totals.blocks += record.now.blocks;
}

}  // namespace

LeakReport make_leak_report(const LossRecords& records, const LeakTotals& before, const LeakReportOptions& options,
                            const std::function<const std::vector<ReportFrame>&(uint32_t origin)>& stack_of,
                            SuppressionSet& suppressions, ErrorDedup& dedup) {
  LeakReport report;
  const Numbers numbers(options.delta);
  const std::vector<LossRecord> sorted = records.sorted();
  report.records = sorted.size();
  for (size_t i = 0; i < sorted.size(); ++i) {
    const LossRecord& record = sorted[i];
    const bool concerned = options.detail == LeakDetail::kFull && concerns(options.delta, record);
    const bool is_error = concerned && contains(options.errors, record.kind);
    const uint64_t place = record.origin;
    const std::vector<ReportFrame>& stack = stack_of(record.origin);
    const std::vector<SuppressionFrame> frames = suppression_frames(stack);
    if (Suppression* known = suppressions.match_leak(record.kind, frames)) {
      if (record.now.blocks == 0) continue;
      count(report.totals.suppressed, record);
      ++known->used;
      known->used_blocks += record.now.blocks;
      known->used_bytes += record.total_bytes();
      if (is_error) dedup.add_suppressed(static_cast<unsigned>(record.kind), place);
      continue;
    }
    count(report.totals.kinds[static_cast<unsigned>(record.kind)], record);
    if (is_error) dedup.add(static_cast<unsigned>(record.kind), place);
    if (!concerned || !contains(options.shown, record.kind)) continue;
    ++report.shown;
    XmlLeak leak;
    leak.unique = i;
    leak.kind = xml_kind(record.kind);
    leak.text = record_text(record, numbers, i + 1, sorted.size());
    leak.bytes = record.total_bytes();
    leak.blocks = record.now.blocks;
    leak.stack = stack;
    report.text += leak.text + "\n" + stack_text(stack) + "\n\n";
    if (options.generate_suppressions) {
      leak.suppression = generated_leak_suppression(record.kind, frames);
      leak.suppression_kinds = leak_kind_name(record.kind);
      report.text += leak.suppression + "\n";
    }
    report.errors.push_back(std::move(leak));
  }
  report.text += summary_text(report, records, before, options);
  return report;
}

std::string heap_summary(const HeapUse& use, bool at_exit) {
  return std::string("HEAP SUMMARY:\n    in use ") + (at_exit ? "at exit: " : "now: ") + with_commas(use.bytes) +
         " bytes in " + with_commas(use.blocks) + " blocks\n  total heap usage: " + with_commas(use.allocations) +
         " allocs, " + with_commas(use.frees) + " frees, " + with_commas(use.allocated_bytes) + " bytes allocated\n";
}

}  // namespace vsup::supervisor::leaks
