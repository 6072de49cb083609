// Purpose: the calling thread's record, found by its thread pointer: native threads have no context of the agent's, and
// an app may use GS as it likes.
#pragma once

#include "agent/callstack/walk_cache.h"
#include "protocol/heap.h"

namespace vsup::agent {

// A new one, zeroed, for a thread pointer that was never seen. Threads that share a thread pointer (a vfork child with
// its waiting parent) share the record.
protocol::HeapThread& heap_thread();

WalkCache& walk_cache_of(const protocol::HeapThread& thread);

}  // namespace vsup::agent
