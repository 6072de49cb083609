// Purpose: what the control server and the reports may ask of a running session.
// Assumes: every call comes from the event loop's thread. Promises: no call blocks on a tracee; what takes a stop of
// the world answers through its callback, on the same thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor {

enum class ProcessMode { kInstrumented, kNative, kNotTraceable, kExited };

struct ThreadSummary {
  pid_t tid = 0;
  std::string name;
  bool instrumented = false;
};

struct ProcessSummary {
  pid_t pid = 0;
  pid_t parent = 0;         // the traced parent, 0 for the first
  pid_t system_parent = 0;  // whoever getppid() named when it was first seen
  unsigned image = 0;       // counts this pid's execs, from 0
  std::string executable;   // absolute path
  std::vector<std::string> arguments;
  ProcessMode mode = ProcessMode::kNative;
  std::string note;            // why not traceable, else empty
  std::string directory;       // absolute path of its log directory
  double started_seconds = 0;  // CLOCK_REALTIME
  std::vector<ThreadSummary> threads;
};

struct ToggleResult {
  unsigned processes = 0;
  unsigned threads = 0;
  double milliseconds = 0;
};

struct CounterValue {
  std::string name, sentence;
  uint64_t value = 0;
};

class Controller {
 public:
  virtual ~Controller() = default;

  virtual std::vector<ProcessSummary> processes() const = 0;

  // Switches instrumentation of the named processes (empty: all); answers when every thread has moved.
  virtual void toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) = 0;

  // Counters of one process, agent's and supervisor's.
  virtual std::vector<CounterValue> counters(pid_t pid) const = 0;

  // Stops the process's threads in app state, calls `visit` with their registers while they stand still (memory can be
  // read through /proc/PID/mem or process_vm_readv, PTRACE_PEEK works), then lets them go on.
  virtual void with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) = 0;

  // The same with all that a tool may do to a process that stands still; null when it has gone.
  virtual void with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) = 0;

  // SIGKILL. Returns how many processes were signalled.
  virtual unsigned kill(const std::vector<pid_t>& pids) = 0;

  // Makes the processes native, removes every trace of the agent and lets go of them; the session goes on without them.
  virtual void detach(const std::vector<pid_t>& pids, std::function<void(unsigned count)> done) = 0;
};

}  // namespace vsup::supervisor
