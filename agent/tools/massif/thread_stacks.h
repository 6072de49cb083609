// Purpose: how much of their stacks the threads use (--stacks=yes), in the code cache.
// Assumes: called in the dispatcher. Promises: a thread's use is known when it calls an allocation function, and while
// it grows beyond what the last peak allows.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::massif {

struct ThreadStack {
  uint64_t base;   // rsp where the thread came into the cache; 0: not yet
  uint64_t used;   // bytes, of those in Header::stack_bytes
  uint64_t limit;  // rsp below which inserted code tells
};

void start_stack(const protocol::ThreadContext& ctx);
void end_stack(const protocol::ThreadContext& ctx);
void measure_stack(const protocol::ThreadContext& ctx);

// In a forked child no other thread's stack counts.
void keep_own_stack(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent::massif
