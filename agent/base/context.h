// Purpose: where the agent finds its thread context, the shared block, and the trap that calls the supervisor.
#pragma once

#include "protocol/agent_boot.h"

extern "C" {
// Stops at the service trap with ThreadContext::service set; returns when the supervisor has answered.
void vsup_service_query();
// Copies memory that the app may have unmapped; false when it faults.
bool vsup_safe_copy(void* to, const void* from, size_t size);
}

namespace vsup::agent {

inline protocol::ThreadContext* current_context() {
  protocol::ThreadContext* ctx;
  asm("mov %%gs:0, %0" : "=r"(ctx));
  return ctx;
}

inline protocol::SharedBlock* shared_block() { return reinterpret_cast<protocol::SharedBlock*>(protocol::kSharedBase); }

// Adds to a counter of the shared block. Counters are statistics: racing increments may be lost.
inline void count(protocol::CounterIndex index, uint64_t by = 1) { shared_block()->counters[index] += by; }

}  // namespace vsup::agent
