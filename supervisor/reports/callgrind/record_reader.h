// Purpose: the callgrind tool's records, read from a process that stands still, as a Profile.
// Assumes: agent/tools/callgrind/records.h says where they lie. Promises: trusts no number it reads; an unreadable or
// nonsensical table gives an empty profile.
#pragma once

#include <sys/types.h>

#include <optional>

#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/reports/callgrind/code_periods.h"
#include "supervisor/reports/callgrind/profile.h"

namespace vsup::supervisor::callgrind {

// Of a process that was never switched on. The caller fills Profile::process, but for its descriptions.
Profile empty_profile(const cachesim::Simulation& simulation);

// `generation` is AgentState's. None when `tid` has no records or is gone. The caller fills Profile::process,
// but for its descriptions. `end`: the process does not go on. `only`: the number of the only thread wanted, 0 for all.
std::optional<Profile> read_records(pid_t tid, uint64_t generation, const cachesim::Simulation& simulation,
                                    const CodePeriods& periods, bool end, unsigned only = 0);

}  // namespace vsup::supervisor::callgrind
