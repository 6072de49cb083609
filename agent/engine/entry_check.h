// Purpose: the entry check of blocks from memory that can change unseen: compares the source bytes with those that were
// translated, without touching the flags.
#pragma once

#include "agent/engine/emitter.h"

namespace vsup::agent {

// Most bytes of app code that a checked block may hold.
inline constexpr uint32_t kMaxCheckedBytes = 256;

// Emits the check that the `size` bytes (1 to kMaxCheckedBytes) at `tag` are `expected`, and that the word at `gate` (a
// literal; null: none) is 0. The failing path leads to a stale exit.
void emit_entry_check(Emitter& out, AppPc tag, const uint8_t* expected, uint32_t size, const uint8_t* gate);

}  // namespace vsup::agent
