// Purpose: what massif adds to code in the cache: a count of instructions, the time of --time-unit=i, and where
// the stack has grown a look at how far.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::massif {

// Also has threads tell when their stacks grow, with kOptionStacks.
void count_instructions();

// The thread's count becomes time, but for `own_instructions` of it.
void take_instructions(protocol::ThreadContext& ctx, unsigned own_instructions);

}  // namespace vsup::agent::massif
