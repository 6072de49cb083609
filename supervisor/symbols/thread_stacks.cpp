#include "supervisor/symbols/thread_stacks.h"

#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace vsup::supervisor {

RawStacks walk_stacks(pid_t pid, const std::vector<ThreadRegisters>& threads) {
  RawStacks stacks;
  RemoteUnwinder unwinder(threads.empty() ? pid : threads.front().tid);  // the leader may have ended
  for (const ThreadRegisters& registers : threads) {
    stacks.threads.push_back({registers.tid, registers.name, unwinder.unwind(registers)});
  }
  stacks.modules = unwinder.modules();
  return stacks;
}

std::vector<ThreadStack> symbolize_stacks(const RawStacks& stacks, Symbolizer& symbolizer) {
  std::vector<ThreadStack> result;
  for (const auto& thread : stacks.threads) {
    ThreadStack stack{thread.tid, thread.name, {}};
    for (const RawFrame& raw : thread.frames) {
      for (Frame& frame : symbolizer.symbolize(stacks.modules, raw.pc, raw.lookup)) {
        frame.guessed = raw.guessed;
        stack.frames.push_back(std::move(frame));
      }
    }
    result.push_back(std::move(stack));
  }
  return result;
}

class SymbolWorker::Implementation {
 public:
  explicit Implementation(std::function<void(Task)> post) : post_(std::move(post)) {}

  ~Implementation() {
    {
      std::lock_guard lock(mutex_);
      jobs_.clear();
    }
    stop();
  }

  void run(std::function<void(Symbolizer&)> job, Task then) {
    std::lock_guard lock(mutex_);
    jobs_.emplace_back(std::move(job), std::move(then));
    if (!thread_.joinable()) start();
    wake_.notify_one();
  }

  void finish() {
    stop();
    done_->do_all();
  }

 private:
  // What jobs have left for the event loop. What was posted may outlive the worker.
  class Done {
   public:
    void add(Task then) {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(then));
    }
    void do_all() {
      std::deque<Task> tasks;
      {
        std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
      }
      for (const Task& task : tasks) task();
    }

   private:
    std::mutex mutex_;
    std::deque<Task> tasks_;
  };

  void start() {
    // The event loop takes signals through a signalfd, so no other thread may receive them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      {
        auto [job, then] = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job(symbolizer_);
        done_->add(std::move(then));
        post_([done = done_] { done->do_all(); });
      }
      lock.lock();
    }
  }

  const std::function<void(Task)> post_;
  const std::shared_ptr<Done> done_ = std::make_shared<Done>();
  Symbolizer symbolizer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::pair<std::function<void(Symbolizer&)>, Task>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

SymbolWorker::SymbolWorker(std::function<void(Task)> post)
    : implementation_(std::make_unique<Implementation>(std::move(post))) {}
SymbolWorker::~SymbolWorker() = default;

void SymbolWorker::run(std::function<void(Symbolizer&)> job, Task then) {
  implementation_->run(std::move(job), std::move(then));
}

void SymbolWorker::finish() {
  implementation_->finish();
}

void collect_thread_stacks(Controller& controller, pid_t pid, std::function<void(std::vector<ThreadStack>)> done) {
  controller.with_threads_stopped(pid, [pid, done = std::move(done)](const std::vector<ThreadRegisters>& threads) {
    static Symbolizer symbolizer;  // keeps modules open from one call to the next
    done(symbolize_stacks(walk_stacks(pid, threads), symbolizer));
  });
}

void collect_thread_stacks(Controller& controller, SymbolWorker& worker, pid_t pid,
                           std::function<void(std::vector<ThreadStack>)> done) {
  controller.with_threads_stopped(
      pid, [pid, &worker, done = std::move(done)](const std::vector<ThreadRegisters>& threads) {
        auto raw = std::make_shared<RawStacks>(walk_stacks(pid, threads));
        auto named = std::make_shared<std::vector<ThreadStack>>();
        worker.run([raw, named](Symbolizer& symbolizer) { *named = symbolize_stacks(*raw, symbolizer); },
                   [named, done] { done(std::move(*named)); });
      });
}

}  // namespace vsup::supervisor
