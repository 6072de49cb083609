#include "supervisor/reports/callgrind/profile_output.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "supervisor/reports/callgrind/cachegrind_writer.h"
#include "supervisor/reports/callgrind/collapsed_writer.h"
#include "supervisor/session/log_name.h"

namespace vsup::supervisor::callgrind {

namespace {

struct Job {
  Profile profile;
  std::string name;  // of the file, expanded
  std::string directory;
};

struct Preparation {
  pid_t pid;
  std::string path;
};

}  // namespace

struct ProfileOutput::Impl {
  Impl(ProfileOutputOptions given, Post loop, Write writer)
      : options(std::move(given)), post(std::move(loop)), write(std::move(writer)) {}

  std::vector<OutputFile> make_files(const Job& job) {
    if (options.cachegrind) {
      GroupOptions by_line;
      return {{job.name, write_cachegrind(group(job.profile, by_line, cache))}};
    }
    std::vector<OutputFile> files =
        write_callgrind(group(job.profile, options.writer.group_options(), cache), options.writer, job.name, false);
    if (options.collapsed) files.push_back({job.name + ".collapsed", write_collapsed(name_stacks(job.profile, cache))});
    return files;
  }

  void read_symbols(const Preparation& wanted) {
    const ModuleMap map = ModuleMap::of_process(wanted.pid);
    for (const Module& module : map.modules()) {
      if (module.path != wanted.path) continue;
      if (ModuleCode* code = cache.find(module, wanted.pid)) code->lines();
    }
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return stopping || !jobs.empty() || !preparations.empty(); });
      if (jobs.empty()) {
        if (stopping) return;
        Preparation wanted = std::move(preparations.front());
        preparations.pop_front();
        lock.unlock();
        read_symbols(wanted);
        lock.lock();
        continue;
      }
      Job job = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      std::vector<OutputFile> files = make_files(job);
      lock.lock();
      for (OutputFile& file : files) {
        if (file.name.front() != '/') file.name = job.directory + "/" + file.name;
        ready.push_back(std::move(file));
      }
      post([this] { write_ready(); });
    }
  }

  template <typename Change>
  void wake_worker(Change change) {
    std::lock_guard lock(mutex);
    change();
    if (!worker.joinable()) worker = std::thread([this] { work(); });
    wake.notify_one();
  }

  void write_ready() {
    std::vector<OutputFile> files;
    {
      std::lock_guard lock(mutex);
      files.swap(ready);
    }
    for (const OutputFile& file : files) write(file.name, file.content);
  }

  const ProfileOutputOptions options;
  const Post post;
  const Write write;
  ModuleCodeCache cache;  // the worker's alone

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  std::deque<Preparation> preparations;  // done while there is no job
  std::set<std::string> prepared;        // paths, the event loop's alone
  std::vector<OutputFile> ready;
  bool stopping = false;
  std::thread worker;
};

ProfileOutput::ProfileOutput(ProfileOutputOptions options, Post post, Write write)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(post), std::move(write))) {}

ProfileOutput::~ProfileOutput() {
  finish();
}

void ProfileOutput::prepare(pid_t pid, const std::string& path) {
  if (impl_->prepared.size() >= ModuleCodeCache::kMaxModules || !impl_->prepared.insert(path).second) return;
  impl_->wake_worker([&] { impl_->preparations.push_back({pid, path}); });
}

void ProfileOutput::add(Profile profile, unsigned image, const std::string& directory) {
  std::string error;
  std::string name = expand_log_name(impl_->options.name_pattern, profile.process.pid, image, error);
  impl_->wake_worker([&] { impl_->jobs.push_back({std::move(profile), std::move(name), directory}); });
}

void ProfileOutput::finish() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.notify_one();
  }
  if (impl_->worker.joinable()) impl_->worker.join();
  impl_->write_ready();
}

}  // namespace vsup::supervisor::callgrind
