// Purpose: where the agent finds its thread context and the shared block.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent {

inline protocol::ThreadContext* current_context() {
  protocol::ThreadContext* ctx;
  asm("mov %%gs:0, %0" : "=r"(ctx));
  return ctx;
}

inline protocol::SharedBlock* shared_block() {
  return reinterpret_cast<protocol::SharedBlock*>(protocol::kSharedBase);
}

// Adds to a counter of the shared block. Counters are statistics: racing increments may be lost.
inline void count(protocol::CounterIndex index, uint64_t by = 1) {
  shared_block()->counters[index] += by;
}

}  // namespace vsup::agent
