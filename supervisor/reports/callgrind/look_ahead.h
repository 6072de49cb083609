// Purpose: reads the lines of what live processes have executed so far, so that a profile finds them read at the end.
// Assumes: called by the thread that has the modules open, which has nothing else to do. Promises: hints alone: what is
// wrong or missing costs time later. Trusts no number that it reads.
// How: block records only become more and are counted when they are written (agent/tools/callgrind/tables.h), so those
// that are new are read from the memory of the running process. One without an address is of no module.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>

#include "supervisor/session/session_observer.h"
#include "supervisor/symbols/module_code.h"

namespace vsup::supervisor::callgrind {

class LookAhead {
 public:
  // `code` has the module's symbols and stays. The memory of `pid` is to be had as that of its thread `reachable`.
  void watch(pid_t pid, pid_t reachable, const MappedModule& module, ModuleCode& code);
  void forget(pid_t pid) { processes_.erase(pid); }
  bool watches() const { return !processes_.empty(); }

  // Whether there was something new.
  bool look();

 private:
  struct Code {
    uint64_t end;
    uint64_t bias;  // address in the process minus link-time address
    LineTable* lines;
  };
  struct Process {
    pid_t reachable = 0;
    uint64_t seen = 0;                   // block records
    std::map<uint64_t, Code> code = {};  // by start; no two overlap
  };
  static bool look(Process& process);

  std::map<pid_t, Process> processes_;
};

}  // namespace vsup::supervisor::callgrind
