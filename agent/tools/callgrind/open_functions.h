// Purpose: the functions that a thread has entered in native code and not left yet, when it comes into the cache: found
// by unwinding its stack, and put on the shadow stack as if they had been called there. So costs after a switch in the
// middle of a program are those of all functions that are open, and the stack's depth is right.
// Assumes: the engine lock is held; the supervisor has brought the unwind tables up to date.
#pragma once

#include "agent/tools/callgrind/call_code.h"

namespace vsup::agent::callgrind {

// After native code, once the functions that it has returned from are off the shadow stack.
void enter_open_functions(protocol::ThreadContext& ctx, const CountMode& mode);

}  // namespace vsup::agent::callgrind
