// Purpose: app code in, fragments out.
// Assumes: the engine lock is held and the cache is not full. Promises: a true function of the app's bytes, the
// region's kind and the settings, but for where the exits lead.
#pragma once

#include "agent/engine/fragment_table.h"

namespace vsup::agent {

// How control came to the block.
enum class Arrival {
  kDirect,
  kIndirect,  // by an indirect branch: the fragment gets the prefix that branch tables lead to
};

// Translates the block at `tag`, and blocks it falls through to where that saves a jump. Returns the index of the
// block's fragment, or kNoFragment when the instruction at `tag` must be executed natively.
uint32_t translate(AppPc tag, Arrival arrival);

// Makes fragment `index` reachable from branch tables. Returns the address that the entry of its tag should hold.
const uint8_t* ensure_thunk(uint32_t index);

}  // namespace vsup::agent
