#include "supervisor/reports/massif/massif_output.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor::massif {

struct MassifOutput::Impl {
  struct Job {
    HeapProfile profile;
    Done done;
  };
  struct Ready {
    std::string text;
    Done done;
  };

  Impl(WriterOptions given, Post loop) : options(std::move(given)), post(std::move(loop)) {}

  std::string text_of(const HeapProfile& profile) {
    // By what is looked up, and whether that is an address.
    std::map<std::pair<bool, uint64_t>, DescribedFrame> known;
    return write_massif(profile, options, [&](const CapturedFrame& frame) -> const DescribedFrame& {
      const std::pair key(frame.kind == protocol::kFramePython, frame.lookup());
      auto found = known.find(key);
      if (found == known.end())
        found = known.emplace(key, describe_frame(symbolizer, profile.modules, profile.stacks, frame)).first;
      return found->second;
    });
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (jobs.empty()) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      std::string text = text_of(job.profile);
      lock.lock();
      ready.push_back({std::move(text), std::move(job.done)});
      post([this] { deliver(); });
    }
  }

  void deliver() {
    std::deque<Ready> texts;
    {
      std::lock_guard lock(mutex);
      texts.swap(ready);
    }
    for (Ready& one : texts) one.done(std::move(one.text));
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
