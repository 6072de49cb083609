// Purpose: what the supervisor has set for this process, and what either side has learnt about the app since.
#pragma once

#include "protocol/agent_boot.h"

extern "C" {
extern vsup::protocol::AgentSettings vsup_settings;
}

namespace vsup::agent {

// A system call that the app did not ask for might kill it.
inline bool calls_are_filtered() {
  return vsup_settings.guard_faults == protocol::kFaultsFiltered;
}

}  // namespace vsup::agent
