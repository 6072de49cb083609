// Purpose: a traced process (thread group) and its present image.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/session/address_space.h"
#include "supervisor/session/controller.h"
#include "supervisor/session/task.h"

namespace vsup::supervisor {

struct ProcessCounters {
#define VSUP_SUPERVISOR_COUNTER(name, sentence) uint64_t name = 0;
#include "supervisor/session/counters.def"
#undef VSUP_SUPERVISOR_COUNTER
};

// A thread as it stood when its process ended.
struct EndedThread {
  pid_t tid = 0;
  uint64_t context = 0;
  Registers registers{};
};

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;         // the traced parent
  pid_t system_parent = 0;  // as for ProcessSummary
  unsigned image = 0;
  std::string executable;
  std::vector<std::string> arguments;
  std::string directory;
  std::string note;
  double started_seconds = 0;
  bool traceable = true;        // false: never instrumented, see note
  bool want_on = false;         // desired mode; the actual one is each task's
  bool announced = false;       // process_started was called for this image
  bool borrowed_space = false;  // a vfork child before its exec
  bool detaching = false;
  bool left = false;          // detached, but for threads whose transfers are to end first
  bool hurried = false;       // that was asked for twice
  bool dumping_core = false;  // about to be killed by a signal that dumps core: its threads stand in native code
  std::shared_ptr<AddressSpace> space;
  std::map<pid_t, Task*> tasks;
  std::vector<EndedThread> ended;  // by the end of the process, not by their own
  ProcessCounters counters;
};

}  // namespace vsup::supervisor
