// Purpose: leak checks, one after the other, off the event loop: from a snapshot to a report.
// Assumes: called on the event loop's thread. Promises: `done` runs there, too; finish() waits for all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/reports/leaks/allocation_stacks.h"
#include "supervisor/reports/leaks/leak_options.h"
#include "supervisor/reports/leaks/leak_snapshot.h"

namespace vsup::supervisor::leaks {

// What checks of one process image leave for later ones. The worker's alone.
struct ImageChecks {
  explicit ImageChecks(StackNaming naming) : stacks(naming) {}

  AllocationStacks stacks;
  LossRecords records;
  LeakTotals totals;
  ErrorDedup dedup;
};

struct CheckRequest {
  LeakReportOptions report;
  bool at_exit = false;
};

struct CheckAnswer {
  std::string text;  // all that Valgrind would print
  std::vector<XmlLeak> xml;
  std::vector<XmlSuppressionCount> suppression_counts;
  std::vector<std::string> used_suppressions;
  LeakTotals totals;
  HeapUse use;
  size_t records = 0, shown = 0;
  uint64_t errors = 0;  // so far
};

class LeakChecks {
 public:
  using Post = std::function<void(std::function<void()>)>;
  using Done = std::function<void(const CheckAnswer&)>;

  LeakChecks(SuppressionSet suppressions, Post post);
  ~LeakChecks();
  LeakChecks(const LeakChecks&) = delete;
  LeakChecks& operator=(const LeakChecks&) = delete;

  void check(std::shared_ptr<ImageChecks> image, LeakSnapshot snapshot, const CheckRequest& request, Done done);

  // Calls `then` on the event loop's thread when all checks asked for so far are done.
  void when_done(std::function<void()> then);
  // Waits for every check; what they leave to be done is done here.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vsup::supervisor::leaks
