// Purpose: conditional jumps that leave a block in its middle. Most are never followed: the code where one leads is
// made when it is for the first time, and until then it leads to a stub (add_side_stub).
// Assumes: the engine lock. Promises: a place in that code has the state of the jump's block, as a fragment that is
// never looked up; there is room for it (CodeCache::full).
#pragma once

#include "agent/engine/code_cache.h"
#include "agent/engine/types.h"

namespace vsup::agent {

// Most of one block.
inline constexpr unsigned kMostSideExits = 4;

// LinkKind::kSide was taken: brings ctx back to the jump, which leads to its code from now on.
void follow_side_exit(protocol::ThreadContext& ctx, uint32_t number, AppPc target);

}  // namespace vsup::agent
