// Purpose: the symbolised stacks of all threads of a process, for `vctl -b` and reports.
// Assumes: calls come from the event loop's thread.
// Promises: the process stands still only while its stacks are walked (microseconds a frame), not while names are
// looked up.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/session/controller.h"
#include "supervisor/symbols/remote_unwind.h"
#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

struct ThreadStack {
  pid_t tid = 0;
  std::string name;
  std::vector<Frame> frames;  // innermost first, inlined ones included
};

// Stacks without names, and what is needed to find the names when the process has gone on or ended.
struct RawStacks {
  struct Thread {
    pid_t tid = 0;
    std::string name;
    std::vector<RawFrame> frames;
  };
  std::vector<Thread> threads;
  ModuleMap modules;
};

// The process must stand still; no names are looked up.
RawStacks walk_stacks(pid_t pid, const std::vector<ThreadRegisters>& threads);

// Any thread, any time later.
std::vector<ThreadStack> symbolize_stacks(const RawStacks& stacks, Symbolizer& symbolizer);

// Runs jobs one after the other on a thread of its own, which blocks every signal and starts with the first job; what a
// job leaves for the event loop is done there by way of `post`. Destroying it drops jobs that have not begun and waits
// for the one that runs.
class SymbolWorker {
 public:
  using Task = std::function<void()>;

  // `post` runs its argument on the event loop's thread and may be called from any, e.g.
  // [&io](auto task) { boost::asio::post(io, std::move(task)); }
  explicit SymbolWorker(std::function<void(Task)> post);
  ~SymbolWorker();
  SymbolWorker(const SymbolWorker&) = delete;
  SymbolWorker& operator=(const SymbolWorker&) = delete;

  // `job` runs on the worker thread, then `then` on the event loop's.
  void run(std::function<void(Symbolizer&)> job, Task then);

  // Calls `then` on the event loop's thread when all jobs so far are done.
  void when_done(Task then) {
    run([](Symbolizer&) {}, std::move(then));
  }

  // Waits for all jobs and does here what they have left for the event loop. None may come after it.
  void finish();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

// `done` is called on the event loop's thread, with nothing if the process is not there. With a worker the names are
// looked up on its thread; without one, in place, while the process still stands.
void collect_thread_stacks(Controller& controller, pid_t pid, std::function<void(std::vector<ThreadStack>)> done);
void collect_thread_stacks(Controller& controller, SymbolWorker& worker, pid_t pid,
                           std::function<void(std::vector<ThreadStack>)> done);

}  // namespace vsup::supervisor
