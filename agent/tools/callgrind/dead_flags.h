// Purpose: where inserted code may change the arithmetic flags: they are overwritten before anything reads them.
// Assumes: a block of the engine. Promises: looks only at code that cannot change while the block is in the cache.
#pragma once

#include "agent/engine/block.h"

namespace vsup::agent::callgrind {

// The index of one of the block's first instructions before which the flags are dead, or none.
inline constexpr uint32_t kNowhere = ~0u;
uint32_t place_without_flags(const Block& block);

// Whether they are dead at `pc`, where code leads to that `trusted` lies around.
bool flags_dead_at(const TrustedCode& trusted, uint64_t pc);

}  // namespace vsup::agent::callgrind
