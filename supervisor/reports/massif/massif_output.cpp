#include "supervisor/reports/massif/massif_output.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor::massif {

namespace {

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

DescribedFrame describe_frame(Symbolizer& symbolizer, const ModuleMap& modules, const CapturedFrame& frame) {
  DescribedFrame described;
  for (const Frame& one : symbolizer.symbolize(modules, frame.value, frame.lookup())) {
    DescribedFrame::Line line;
    line.function = one.function;
    if (!one.file.empty()) {
      line.place = last_part(one.file) + (one.line != 0 ? ":" + std::to_string(one.line) : "");
    } else if (!one.module.empty()) {
      line.place = "in " + one.module;
    }
    described.lines.push_back(std::move(line));
  }
  return described;
}

}  // namespace

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
    std::unordered_map<uint64_t, DescribedFrame> known;  // by address; an exact one differs by what is looked up
    return write_massif(profile, options, [&](const CapturedFrame& frame) -> const DescribedFrame& {
      auto found = known.find(frame.lookup());
      if (found == known.end())
        found = known.emplace(frame.lookup(), describe_frame(symbolizer, profile.modules, frame)).first;
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
