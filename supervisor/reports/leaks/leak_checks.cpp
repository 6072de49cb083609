#include "supervisor/reports/leaks/leak_checks.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "supervisor/reports/numbers.h"

namespace vsup::supervisor::leaks {

namespace {

struct Job {
  std::shared_ptr<ImageChecks> image;
  LeakSnapshot snapshot;
  CheckRequest request;
  LeakChecks::Done done;
};

struct Result {
  CheckAnswer answer;
  LeakChecks::Done done;
};

}  // namespace

struct LeakChecks::Impl {
  Impl(SuppressionSet set, Post loop) : suppressions(std::move(set)), post(std::move(loop)) {}

  CheckAnswer run(Job& job) {
    const LeakSnapshot& snapshot = job.snapshot;
    ImageChecks& image = *job.image;
    CheckAnswer answer;
    answer.use = snapshot.use;
    answer.text = "\n" + heap_summary(snapshot.use, job.request.at_exit) + "\n";
    if (snapshot.lost_records > 0) {
      answer.text +=
          "There was no room to record " + with_commas(snapshot.lost_records) + " blocks: they are missing\n\n";
    }
    if (job.request.report.detail == LeakDetail::kNone) {
      answer.text += "For a detailed leak analysis, rerun with: --leak-check=full\n";
    } else if (snapshot.blocks.empty()) {
      image.records = LossRecords();
      image.totals = {};
      answer.text += "All heap blocks were freed -- no leaks are possible\n";
    } else {
      report(job, answer);
    }
    if (job.request.at_exit) answer.text += "\n" + image.dedup.summary() + "\n";
    answer.errors = image.dedup.errors();
    answer.used_suppressions = suppressions.used_lines();
    for (const Suppression& entry : suppressions.entries()) {
      if (entry.used > 0) answer.suppression_counts.push_back({entry.used, entry.name});
    }
    return answer;
  }

  void report(Job& job, CheckAnswer& answer) {
    const LeakSnapshot& snapshot = job.snapshot;
    ImageChecks& image = *job.image;
    const std::vector<BlockResult> results = scan_for_leaks(snapshot.blocks, snapshot.graph);
    if (results.size() != snapshot.blocks.size()) {
      answer.text += "There is no memory for a leak check of this heap\n";
      return;
    }
    image.records.begin_check();
    for (size_t i = 0; i < results.size(); ++i) {
      const LiveBlock& block = snapshot.origins[i];
      const uint32_t origin = image.stacks.origin(snapshot.depot, block.stack, block.function);
      image.records.add(results[i].kind, origin, snapshot.blocks[i], results[i]);
    }
    const auto stack_of = [&](uint32_t origin) -> const std::vector<ReportFrame>& {
      return image.stacks.frames(origin, snapshot.depot, snapshot.modules, snapshot.functions, symbolizer);
    };
    LeakReport made =
        make_leak_report(image.records, image.totals, job.request.report, stack_of, suppressions, image.dedup);
    image.totals = answer.totals = made.totals;
    answer.text += made.text;
    answer.xml = std::move(made.errors);
    answer.records = made.records;
    answer.shown = made.shown;
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      Result result{run(job), std::move(job.done)};
      lock.lock();
      ready.push_back(std::move(result));
      post([this] { hand_over(); });
    }
  }

  void hand_over() {
    std::vector<Result> results;
    {
      std::lock_guard lock(mutex);
      results.swap(ready);
    }
    for (const Result& result : results) result.done(result.answer);
  }

  SuppressionSet suppressions;  // the worker's alone, as the next
  Symbolizer symbolizer;
  const Post post;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::vector<Result> ready;
  bool stopping = false;
  std::thread worker;
};

LeakChecks::LeakChecks(SuppressionSet suppressions, Post post)
    : impl_(std::make_unique<Impl>(std::move(suppressions), std::move(post))) {}

LeakChecks::~LeakChecks() {
  finish();
}

void LeakChecks::check(std::shared_ptr<ImageChecks> image, LeakSnapshot snapshot, const CheckRequest& request,
                       Done done) {
  std::lock_guard lock(impl_->mutex);
  impl_->jobs.push_back({std::move(image), std::move(snapshot), request, std::move(done)});
  if (!impl_->worker.joinable()) impl_->worker = std::thread([this] { impl_->work(); });
  impl_->wake.notify_one();
}

void LeakChecks::finish() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_one();
  }
  if (impl_->worker.joinable()) impl_->worker.join();
  impl_->hand_over();
}

}  // namespace vsup::supervisor::leaks
