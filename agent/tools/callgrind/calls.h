// Purpose: which branches are calls, where they lead, and what the shadow stack makes of them.
// Assumes: the engine lock is held.
#pragma once

#include "agent/engine/block.h"
#include "agent/tools/callgrind/call_code.h"

namespace vsup::agent::callgrind {

// Whether the conditional jump that is the block's last instruction yet is nothing to emit_calls().
bool may_pass(const Block& block);

// Before the last instruction of a block, whose index is given.
void emit_calls(Emitter& out, const CountMode& mode, const Block& block, uint32_t index, const Source& source);

// An indirect site has met a callee for the first time; its address was left in the first request argument. Returns
// where the thread goes on.
uint32_t callee_met(protocol::ThreadContext& ctx, const CountMode& mode, EdgeRecord* head, uint32_t retry);

// A function is called that options name: likewise.
uint32_t flagged_call(protocol::ThreadContext& ctx, const CountMode& mode, const EdgeRecord* edge);

// The dynamic linker has found the function that it was called for: likewise.
uint32_t callee_resolved(protocol::ThreadContext& ctx, const CountMode& mode, EdgeRecord* head);

// A function begins that nobody calls: the first one on a stack of its own.
void enter_from_nowhere(protocol::ThreadContext& ctx, const CountMode& mode, uint64_t callee, uint64_t sp);

// A function that was called natively, at `site` (0: nobody knows where), and is still open: it costs from now on.
void enter_open_function(protocol::ThreadContext& ctx, const CountMode& mode, uint64_t site, uint64_t callee,
                         uint64_t sp);

// Where the call instruction lies that returns to the address; 0: there is none.
uint64_t call_before(uint64_t return_pc);

// As the frame was pushed for.
uint64_t called_function(const CountMode& mode, const Frame& frame);

// Whether the word at the frame's stack pointer is still the return address of the call that made it.
bool return_address_stands(const CountMode& mode, const Frame& frame);

// The thread begins or ends to collect.
void toggle_collection(protocol::ThreadContext& ctx);

// The same, if it was put off until a linkage table's entry, which was passed natively.
void make_due_toggle(protocol::ThreadContext& ctx);

// The thread leaves its topmost function.
void leave_function(protocol::ThreadContext& ctx, const CountMode& mode);

// A thread is about to end: notes the functions after which a part is due and that it has not left.
void note_unfinished_functions(const protocol::ThreadContext& ctx, const CountMode& mode);
// In a child of a fork: they were its parent's.
void forget_unfinished_functions();

}  // namespace vsup::agent::callgrind
