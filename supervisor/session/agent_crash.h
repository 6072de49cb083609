// Purpose: what is known of a thread in which the agent has broken, while it still stands.
// Assumes: nothing about what the tracee has written. Promises: a plain value.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "protocol/agent_boot.h"
#include "supervisor/ptrace/registers.h"

namespace vsup::supervisor {

struct AgentCrash {
  pid_t pid = 0, tid = 0;
  int signal = 0;                                  // that stopped the agent; 0: it found the fault itself
  uint64_t fault_address = 0;                      // si_addr of a memory fault
  Registers registers{};                           // at the stop
  std::optional<protocol::CrashPage> page;         // what the agent has found
  std::optional<protocol::ThreadContext> context;  // of the thread
};

}  // namespace vsup::supervisor
