#include "supervisor/reports/callgrind/profile_output.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "supervisor/reports/callgrind/cachegrind_writer.h"
#include "supervisor/reports/callgrind/code_periods.h"
#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/reports/callgrind/look_ahead.h"
#include "supervisor/session/log_name.h"

namespace vsup::supervisor::callgrind {

namespace {

// Something for the worker to do; what it returns is done on the event loop's thread.
using Job = std::function<std::function<void()>()>;

struct Preparation {
  pid_t pid, reachable = 0;
  std::optional<MappedModule> module = {};  // none: the process has ended
};

// Between two looks at what processes have executed; more and more while there is nothing new.
constexpr std::chrono::milliseconds kShortestPause{10}, kLongestPause{640};

}  // namespace

struct ProfileOutput::Impl {
  Impl(ProfileOutputOptions given, Post loop, Write writer, Write appender)
      : options(std::move(given)), post(std::move(loop)), write(std::move(writer)), append(std::move(appender)) {}

  std::vector<OutputFile> make_files(const Profile& profile, const std::string& name, const ProfilePlace& place) {
    std::vector<OutputFile> files;
    const std::string part = place.numbered ? "." + std::to_string(profile.process.part) : "";
    if (options.cachegrind) {
      GroupOptions by_line;
      files.push_back({name + part, write_cachegrind(group(profile, by_line, cache))});
    } else {
      files =
          write_callgrind(group(profile, options.writer.group_options(), cache), options.writer, name, place.numbered);
      if (options.collapsed)
        files.push_back({name + part + ".collapsed", write_collapsed(name_stacks(profile, cache))});
    }
    for (OutputFile& file : files)
      if (file.name.front() != '/') file.name = place.directory + "/" + file.name;
    return files;
  }

  // There is no job: reads the symbols of a module, or lets those of a process go.
  void prepare_next(std::unique_lock<std::mutex>& lock) {
    const Preparation next = std::move(preparations.front());
    preparations.pop_front();
    lock.unlock();
    if (!next.module) {
      ahead.forget(next.pid);
    } else if (ModuleCode* code = cache.find(module_of_code(*next.module), next.reachable)) {
      ahead.watch(next.pid, next.reachable, *next.module, *code);
    }
    pause = kShortestPause;
    lock.lock();
  }

  // There is nothing at all: reads the lines of what was executed meanwhile.
  void look_ahead(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    pause = ahead.look() ? kShortestPause : std::min(2 * pause, kLongestPause);
    lock.lock();
  }

  void wait(std::unique_lock<std::mutex>& lock) {
    const auto wanted = [this] { return stopping || !jobs.empty() || !preparations.empty(); };
    if (!ahead.watches()) return wake.wait(lock, wanted);
    wake.wait_for(lock, pause, wanted);
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wait(lock);
      if (jobs.empty()) {
        if (stopping) return;
        if (preparations.empty()) {
          look_ahead(lock);
        } else {
          prepare_next(lock);
        }
        continue;
      }
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      std::function<void()> then = job();
      lock.lock();
      ready.push_back(std::move(then));
      post([this] { finish_ready(); });
    }
  }

  template <typename Change>
  void wake_worker(Change change) {
    std::lock_guard lock(mutex);
    change();
    if (!worker.joinable()) worker = std::thread([this] { work(); });
    wake.notify_one();
  }

  void finish_ready() {
    std::deque<std::function<void()>> finished;
    {
      std::lock_guard lock(mutex);
      finished.swap(ready);
    }
    for (const std::function<void()>& then : finished) then();
  }

  const ProfileOutputOptions options;
  const Post post;
  const Write write, append;
  // The worker's alone.
  ModuleCodeCache cache;
  LookAhead ahead;
  std::chrono::milliseconds pause = kShortestPause;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::deque<Preparation> preparations;  // done while there is no job
  std::deque<std::function<void()>> ready;
  bool stopping = false;
  std::thread worker;
};

ProfileOutput::ProfileOutput(ProfileOutputOptions options, Post post, Write write, Write append)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(post), std::move(write), std::move(append))) {}

ProfileOutput::~ProfileOutput() {
  finish();
}

void ProfileOutput::prepare(pid_t pid, pid_t reachable, const MappedModule& module) {
  impl_->wake_worker([&] { impl_->preparations.push_back({pid, reachable, module}); });
}

void ProfileOutput::forget(pid_t pid) {
  if (!impl_->worker.joinable()) return;
  impl_->wake_worker([&] { impl_->preparations.push_back({pid}); });
}

void ProfileOutput::add(Profile profile, ProfilePlace place) {
  std::string error;
  std::string name = expand_log_name(impl_->options.name_pattern, profile.process.pid, place.image, error);
  auto shared = std::make_shared<Profile>(std::move(profile));
  Job job = [impl = impl_.get(), shared, name = std::move(name), place = std::move(place)]() -> std::function<void()> {
    auto files = std::make_shared<std::vector<OutputFile>>(impl->make_files(*shared, name, place));
    return [impl, files, written = place.written] {
      std::vector<std::string> names;
      for (const OutputFile& file : *files) {
        (file.append ? impl->append : impl->write)(file.name, file.content);
        names.push_back(file.name);
      }
      if (written) written(names);
    };
  };
  impl_->wake_worker([&] { impl_->jobs.push_back(std::move(job)); });
}

void ProfileOutput::run(std::function<void(ModuleCodeCache&)> job, std::function<void()> then) {
  impl_->wake_worker([&] {
    impl_->jobs.push_back([impl = impl_.get(), job = std::move(job), then = std::move(then)] {
      job(impl->cache);
      return then;
    });
  });
}

void ProfileOutput::finish() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_one();
  }
  if (impl_->worker.joinable()) impl_->worker.join();
  impl_->finish_ready();
}

}  // namespace vsup::supervisor::callgrind
