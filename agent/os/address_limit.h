// Purpose: RLIMIT_AS as the app means it: the agent's arena, reserved in the same address space, does not count.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent {

// Whether this getrlimit, setrlimit or prlimit64 asks for or sets the calling process's RLIMIT_AS.
bool concerns_address_limit(const protocol::ThreadContext& ctx);

// Makes the system call with the arena's size taken out of what is read and added to what is set. Returns its result.
int64_t call_with_address_limit(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent
