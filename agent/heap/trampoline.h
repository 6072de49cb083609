// Purpose: moves the first instructions of a function out of the way of a jump to its hook.
#pragma once

#include "protocol/heap.h"

namespace vsup::agent {

// Answers a wanted hook: fills code, patch, moves, trampoline and status. `code` are the function's bytes, `available`
// of which can be read.
void make_trampoline(protocol::HookSite& site, const uint8_t* code, uint64_t available);

// Likewise for a pointer to a function, whose value is given.
void make_pointer_hook(protocol::HookSite& site, uint64_t pointer);

}  // namespace vsup::agent
