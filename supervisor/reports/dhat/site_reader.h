// Purpose: the dhat tool's records out of a process's memory.
// Assumes: the process stands still. Promises: what the process may have scribbled over gives wrong numbers, never a
// crash or much memory.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/tools/dhat/records.h"
#include "supervisor/session/stopped_process.h"
#include "supervisor/symbols/module_map.h"
#include "supervisor/symbols/stack_reader.h"

namespace vsup::supervisor::dhat {

// One process's sites as data: used on any thread, also when the process is gone.
struct SiteRecords {
  pid_t pid = 0;
  std::string command;
  agent::dhat::Header header{};
  uint64_t time = 0;                                          // microseconds since the start
  std::vector<std::pair<uint32_t, agent::dhat::Site>> sites;  // by stack id; those that allocated
  StackReader stacks;
  ModuleMap modules;
};

std::optional<SiteRecords> read_sites(const StoppedProcess& process, uint64_t ticks_per_second);

}  // namespace vsup::supervisor::dhat
