// Purpose: stacks as 32-bit ids: a tree of frames in which stacks with the same callers share their nodes.
// Promises: no lock and no system call; threads and signal handlers intern at the same time. Ids stay valid, in
// children of a fork, too. The nodes lie where protocol/callstack.h says.
#pragma once

#include <stdint.h>

namespace vsup::agent {

// Id of a stack of `count` frames (StackFrameKind), innermost first. 0: no frames, or no room left.
uint32_t intern_stack(const uint64_t* frames, unsigned count);

// A walk's stacks have all the frames that it knows, so that those of one walk share nodes however deep they are; they
// begin here.
uint32_t walked_root(unsigned depth);
// Id of the walked stack that has one frame more, inside of `walked`. 0: no room left.
uint32_t walked_inner(uint32_t walked, uint64_t frame);
// Id, as intern_stack has it, of the innermost frames of a walked stack, `depth` at most, which is its root's.
uint32_t innermost_frames(uint32_t walked, unsigned depth);

}  // namespace vsup::agent
