// Purpose: walks that begin where the thread's last one did not go, and end where it went.
#pragma once

#include "agent/callstack/python_frames.h"
#include "agent/callstack/walk_cache.h"

namespace vsup::agent {

// One step from `at`; `frame` is what it puts down, 0 for none.
WalkStep step_outward(Position& at, PythonWalk& python, uint64_t& frame, ReadLog& log);

// `stack` is a walked stack. False when the walk is one that the cache cannot hold: frames found by guessing, no end,
// unreadable memory, too many.
bool cached_walk(WalkCache& cache, const WalkState& start, unsigned depth, PythonWalk& python, uint32_t& stack);

}  // namespace vsup::agent
