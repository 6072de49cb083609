// Purpose: a shadow stack for each stack that the app runs on: a thread's own, a coroutine's, a signal handler's. A
// thread that goes to another stack parks the shadow of the one it leaves, so that neither pays for what runs on the
// other, and finds it again when it comes back.
// Assumes: the engine lock is held. A stack is known again by the return address that lies on top of it.
#pragma once

#include "agent/tools/callgrind/call_code.h"

namespace vsup::agent::callgrind {

// The thread's first one, in its slot.
void start_stack(protocol::ThreadContext& ctx);

// Leaves all functions of all stacks that are the thread's.
void end_stacks(protocol::ThreadContext& ctx, const CountMode& mode);

// A child of a fork: its stacks are those of its one thread, and their cost counts from zero.
void restart_stacks(protocol::ThreadContext& ctx);

// The stack pointer is not where the shadow stack has it: at a return (to the address it points at) or, after a jump,
// at a call. Leaves functions, or goes to another stack.
void settle_stack(protocol::ThreadContext& ctx, const CountMode& mode, bool is_return);

// A signal handler begins; its caller is nobody.
void start_handler(protocol::ThreadContext& ctx, const CountMode& mode);

// It ends by rt_sigreturn.
void end_handler(protocol::ThreadContext& ctx, const CountMode& mode);

// After native code: leaves the functions that it has returned from.
void drop_stale_frames(protocol::ThreadContext& ctx, const CountMode& mode);

// The thread's outermost function, at `sp`, was called by none that the shadow stack has: natively it has gone to
// another stack, if that is far away.
void leave_far_stack(protocol::ThreadContext& ctx, uint64_t sp);

}  // namespace vsup::agent::callgrind
