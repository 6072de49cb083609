// Purpose: stacks as 32-bit ids: a tree of frames in which stacks with the same callers share their nodes.
// Promises: no lock and no system call; threads and signal handlers intern at the same time. Ids stay valid, in
// children of a fork, too. The nodes lie where protocol/callstack.h says.
#pragma once

#include <stdint.h>

namespace vsup::agent {

// Id of a stack of `count` frames (StackFrameKind), innermost first. 0: no frames, or no room left.
uint32_t intern_stack(const uint64_t* frames, unsigned count);

// Id of the stack that has one frame more, inside of `stack`; 0: no room left.
uint32_t intern_inner(uint32_t stack, uint64_t frame);
// Id of the stack without its innermost frame.
uint32_t outer_stack(uint32_t stack);

}  // namespace vsup::agent
