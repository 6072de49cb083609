// Purpose: the stack of the calling thread as an id of the stack depot; what the heap hooks and tools call.
#pragma once

#include <stdint.h>

namespace vsup::agent {

struct WalkCache;

enum class StackIds {
  kByFrames,  // stacks of equal frames have one id
  kByWalk,    // quicker; with a cache only: they may have several, with more frames outside of the `depth` that count
};

// `pc` is a return address (the frame's own call lies before it); `sp` and `bp` are what rsp and rbp will be when it is
// returned to. At the entry of a hooked function that is: the word at rsp, rsp + 8, rbp.
// At most `depth` frames, innermost first, no more than protocol::kMaxStackDepth. 0: no stack.
// Uses 8 bytes of the calling stack a frame of `depth`. A thread that gives its cache, zeros at first, is faster for
// it.
uint32_t capture_stack(uint64_t pc, uint64_t sp, uint64_t bp, unsigned depth, WalkCache* cache = nullptr,
                       StackIds ids = StackIds::kByFrames);

// The same, where rbp has been saved at `bp_at`: read only if a frame needs it.
uint32_t capture_stack_saved_rbp(uint64_t pc, uint64_t sp, uint64_t bp_at, unsigned depth, WalkCache* cache,
                                 StackIds ids);

}  // namespace vsup::agent
