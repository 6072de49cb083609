// Purpose: the massif tool's records out of a process's memory.
// Assumes: the process stands still. Promises: what the process may have scribbled over gives wrong numbers, never a
// crash or much memory.
#pragma once

#include <optional>

#include "supervisor/reports/massif/massif_profile.h"
#include "supervisor/session/stopped_process.h"

namespace vsup::supervisor::massif {

// All snapshots taken so far; with `weighted`, what each stack holds and allocated, too.
std::optional<HeapProfile> read_profile(const StoppedProcess& process, bool weighted);

// How things are now, as one snapshot; its time in the unit `time_unit` (agent::massif::TimeUnit).
std::optional<HeapProfile> read_present(const StoppedProcess& process, uint64_t time_unit, bool detailed);

}  // namespace vsup::supervisor::massif
