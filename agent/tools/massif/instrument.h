// Purpose: what massif adds to code in the cache: a count of instructions, the time of --time-unit=i.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::massif {

void count_instructions();

// The thread's count becomes time, but for `own_instructions` of it.
void take_instructions(protocol::ThreadContext& ctx, unsigned own_instructions);

}  // namespace vsup::agent::massif
