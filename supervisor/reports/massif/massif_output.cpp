#include "supervisor/reports/massif/massif_output.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "supervisor/reports/heap/weighted_stacks.h"

namespace vsup::supervisor::massif {

struct MassifOutput::Impl {
  struct Job {
    HeapProfile profile;
    Done done;
  };
  struct Ready {
    Texts texts;
    Done done;
  };

  Impl(WriterOptions given, Post loop) : options(std::move(given)), post(std::move(loop)) {}

  Texts texts_of(const HeapProfile& profile) {
    FrameDescriber describer(symbolizer, profile.modules, profile.stacks);
    const Describe describe = std::ref(describer);
    Texts texts{write_massif(profile, options, describe), {}, {}, {}};
    if (!profile.weighted) return texts;
    const auto collapsed = [&](const StackWeights& weights) {
      return callgrind::write_collapsed(weighted_stacks(profile.stacks, weights, describe));
    };
    texts.live = collapsed(profile.live);
    texts.total = collapsed(profile.totals);
    for (const SnapshotData& snapshot : profile.snapshots)
      if (snapshot.peak) texts.peak = collapsed(snapshot.stacks);
    return texts;
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      Texts texts = texts_of(job.profile);
      lock.lock();
      ready.push_back({std::move(texts), std::move(job.done)});
      post([this] { deliver(); });
    }
  }

  void deliver() {
    std::deque<Ready> all;
    {
      std::lock_guard lock(mutex);
      all.swap(ready);
    }
    for (Ready& one : all) one.done(one.texts);
  }

  const WriterOptions options;
  const Post post;
  Symbolizer symbolizer;  // the worker's alone

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::deque<Ready> ready;
  bool stopping = false;
  std::thread worker;
};

MassifOutput::MassifOutput(WriterOptions options, Post post)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(post))) {}

MassifOutput::~MassifOutput() {
  finish();
}

void MassifOutput::add(HeapProfile profile, Done done) {
  std::lock_guard lock(impl_->mutex);
  impl_->jobs.push_back({std::move(profile), std::move(done)});
  if (!impl_->worker.joinable()) impl_->worker = std::thread([this] { impl_->work(); });
  impl_->wake.notify_one();
}

void MassifOutput::finish() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_one();
  }
  if (impl_->worker.joinable()) impl_->worker.join();
  impl_->deliver();
}

}  // namespace vsup::supervisor::massif
