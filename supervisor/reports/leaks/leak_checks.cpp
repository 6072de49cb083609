#include "supervisor/reports/leaks/leak_checks.h"

#include <algorithm>

#include "supervisor/reports/numbers.h"
#include "supervisor/symbols/thread_stacks.h"

namespace vsup::supervisor::leaks {

namespace {

struct Job {
  std::shared_ptr<ImageChecks> image;
  LeakSnapshot snapshot;
  CheckRequest request;
};

// What __libc_freeres and __gnu_cxx::__freeres free of programs that do no more than write and throw: the buffers of
// streams, and the memory for exceptions that libstdc++ sets apart when it is loaded.
bool belongs_to_library(const std::vector<ReportFrame>& stack) {
  for (size_t i = 1; i < std::min<size_t>(stack.size(), 4); ++i) {
    const std::string& name = stack[i].linkage;
    if (name == "_IO_file_doallocate" || name == "_IO_wfile_doallocate") return true;
    const bool cxx = stack[i].object.find("/libstdc++.so") != std::string::npos;
    if (cxx && i + 1 < stack.size() && stack[i + 1].linkage == "call_init") return true;
  }
  return false;
}

}  // namespace

struct LeakChecks::Impl {
  Impl(SuppressionSet set, Post post) : suppressions(std::move(set)), worker(std::move(post)) {}

  CheckAnswer run(Job& job, Symbolizer& with) {
    symbolizer = &with;
    const LeakSnapshot& snapshot = job.snapshot;
    ImageChecks& image = *job.image;
    CheckAnswer answer;
    answer.use = snapshot.use;
    const std::vector<bool> owned = owned_by_libraries(job, answer.use);
    answer.text = "\n" + heap_summary(answer.use, job.request.at_exit) + "\n";
    if (snapshot.lost_records > 0) {
      answer.text +=
          "There was no room to record " + with_commas(snapshot.lost_records) + " blocks: they are missing\n\n";
    }
    if (!snapshot.all_known) {
      answer.text +=
          "The heap was not watched all the time: blocks that nobody saw are not in these sums,\n"
          "and what they point to counts as reachable.\n\n";
    }
    if (job.request.report.detail == LeakDetail::kNone) {
      answer.text += "For a detailed leak analysis, rerun with: --leak-check=full\n";
    } else if (answer.use.blocks == 0) {
      image.records = LossRecords();
      image.totals = {};
      answer.text += "All heap blocks were freed -- no leaks are possible\n";
    } else {
      report(job, owned, answer);
    }
    if (job.request.at_exit) answer.text += "\n" + image.dedup.summary() + "\n";
    answer.errors = image.dedup.errors();
    answer.used_suppressions = suppressions.used_lines();
    for (const Suppression& entry : suppressions.entries()) {
      if (entry.used > 0) answer.suppression_counts.push_back({entry.used, entry.name});
    }
    return answer;
  }

  const std::vector<ReportFrame>& frames(Job& job, uint32_t origin) {
    const LeakSnapshot& snapshot = job.snapshot;
    return job.image->stacks.frames(origin, snapshot.depot, snapshot.modules, snapshot.functions, *symbolizer);
  }

  uint32_t origin_of(Job& job, size_t block) {
    const BlockOrigin origin = job.snapshot.origins[block];
    return job.image->stacks.origin(job.snapshot.depot, origin.stack(), origin.function());
  }

  // By block: it counts as freed by the clean-up that could not be made. Takes them out of `use`.
  std::vector<bool> owned_by_libraries(Job& job, HeapUse& use) {
    std::vector<bool> owned(job.snapshot.blocks.size());
    if (!job.snapshot.clean_up_missing) return owned;
    for (size_t i = 0; i < owned.size(); ++i) {
      owned[i] = belongs_to_library(frames(job, origin_of(job, i)));
      if (!owned[i]) continue;
      use.bytes -= job.snapshot.blocks[i].size;
      --use.blocks;
      ++use.frees;
    }
    return owned;
  }

  // Neighbours are often of one place and kind: they are added together.
  void add_records(Job& job, const std::vector<bool>& owned, const LeakResults& results) {
    const LeakSnapshot& snapshot = job.snapshot;
    LossRecords& records = job.image->records;
    Amount sum;
    size_t first = 0;
    BlockResult alike;
    const auto add_sum = [&] {
      if (sum.blocks > 0) records.add(alike.kind, origin_of(job, first), sum, alike.heuristic);
    };
    for (size_t i = 0; i < results.size(); ++i) {
      if (owned[i]) continue;
      const BlockResult result = results[i];
      if (sum.blocks == 0 || snapshot.origins[i] != snapshot.origins[first] || result.kind != alike.kind ||
          result.heuristic != alike.heuristic) {
        add_sum();
        sum = {};
        first = i;
        alike = result;
      }
      sum.bytes += snapshot.blocks[i].size;
      sum.indirect_bytes += result.indirect_bytes;
      ++sum.blocks;
    }
    add_sum();
  }

  void report(Job& job, const std::vector<bool>& owned, CheckAnswer& answer) {
    const LeakSnapshot& snapshot = job.snapshot;
    ImageChecks& image = *job.image;
    const LeakResults results = scan_for_leaks(snapshot.blocks, snapshot.graph, leak_check_threads());
    if (results.size() != snapshot.blocks.size()) {
      answer.text += "There is no memory for a leak check of this heap\n";
      return;
    }
    image.records.begin_check();
    add_records(job, owned, results);
    const auto stack_of = [&](uint32_t origin) -> const std::vector<ReportFrame>& { return frames(job, origin); };
    LeakReport made =
        make_leak_report(image.records, image.totals, job.request.report, stack_of, suppressions, image.dedup);
    image.totals = answer.totals = made.totals;
    answer.text += made.text;
    answer.xml = std::move(made.errors);
    answer.records = made.records;
    answer.shown = made.shown;
  }

  // The worker's alone.
  SuppressionSet suppressions;
  Symbolizer* symbolizer = nullptr;

  SymbolWorker worker;
};

LeakChecks::LeakChecks(SuppressionSet suppressions, Post post)
    : impl_(std::make_unique<Impl>(std::move(suppressions), std::move(post))) {}

LeakChecks::~LeakChecks() = default;

void LeakChecks::check(std::shared_ptr<ImageChecks> image, LeakSnapshot snapshot, const CheckRequest& request,
                       Done done) {
  auto job = std::make_shared<Job>(Job{std::move(image), std::move(snapshot), request});
  auto answer = std::make_shared<CheckAnswer>();
  impl_->worker.run(
      [impl = impl_.get(), job, answer](Symbolizer& symbolizer) { *answer = impl->run(*job, symbolizer); },
      [answer, done = std::move(done)] { done(*answer); });
}

void LeakChecks::when_done(std::function<void()> then) {
  impl_->worker.when_done(std::move(then));
}

void LeakChecks::finish() {
  impl_->worker.finish();
}

}  // namespace vsup::supervisor::leaks
