#include "agent/tools/callgrind/open_functions.h"

#include "agent/callstack/unwind.h"
#include "agent/tools/callgrind/calls.h"
#include "agent/tools/callgrind/function_starts.h"
#include "agent/tools/callgrind/stacks.h"
#include "agent/tools/callgrind/thread_counts.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

// An open function, kept in the free part of the shadow stack until all are known.
struct Open {
  uint64_t sp;         // where its return address lies; of the outermost one its own stack pointer
  uint64_t function;   // its start, where a table says
  uint64_t return_pc;  // 0: nobody knows its caller
  uint64_t unused;
};
static_assert(sizeof(Open) == sizeof(Frame));

uint64_t function_at(const WalkState& state) {
  const uint64_t pc = state.exact ? state.pc : state.pc - 1;
  const uint64_t start = function_start(AppPc{pc});
  return start != 0 ? start : pc;
}

// Whether the topmost frame of the shadow stack is that of `function`, as far as tables tell.
bool is_frame_of(const ThreadContext& ctx, const CountMode& mode, uint64_t function) {
  const uint64_t start = function_start(AppPc{called_function(mode, *top_frame(ctx))});
  return start == 0 || function_start(AppPc{function}) == 0 || start == function;
}

struct Walked {
  const Open* outermost;  // the last place filled
  bool met;               // the shadow stack's topmost frame, which has called it
};

// Fills the places before `end` down to `limit` from the innermost function outwards. Ends at the topmost frame that
// the shadow stack has, and takes off what natively became another function's.
Walked walk(ThreadContext& ctx, const CountMode& mode, const Open* limit, Open* end) {
  WalkState state{.pc = ctx.app_pc, .sp = ctx.gpr[protocol::kRsp], .bp = ctx.gpr[protocol::kRbp], .exact = true};
  ReadLog log;
  Open* place = end;
  bool met = false;
  while (place > limit && !met) {
    const uint64_t function = function_at(state);
    WalkState caller = state;
    const bool known = step_to_caller(caller, log) == WalkStep::kCaller && !caller.guessed && caller.sp > state.sp;
    if (!known) {
      if (place != end) *--place = {state.sp, function, 0, 0};
      break;
    }
    // What leads back from a signal handler is nobody's function, and the handler was called by nobody.
    const bool leads_back = caller.exact;
    if (leads_back) {
      if (place != end) place->return_pc = 0;
    } else {
      const uint64_t sp = caller.sp - sizeof(uint64_t);
      while (frame_sp(*top_frame(ctx)) == sp && !is_frame_of(ctx, mode, function)) leave_function(ctx, mode);
      met = frame_sp(*top_frame(ctx)) <= sp;
      if (!met) *--place = {sp, function, caller.pc, 0};
    }
    state = caller;
  }
  return {place, met};
}

}  // namespace

void enter_open_functions(ThreadContext& ctx, const CountMode& mode) {
  if (unwind_epoch() == 0) return;
  auto* end = reinterpret_cast<Open*>(ctx.tool_stack_end);
  const Walked walked = walk(ctx, mode, reinterpret_cast<Open*>(ctx.tool_stack), end);
  if (walked.outermost != end && !walked.met) leave_far_stack(ctx, walked.outermost->sp);
  for (const Open* place = walked.outermost; place != end; ++place) {
    const Open open = *place;
    const uint64_t site = open.return_pc != 0 ? call_before(open.return_pc) : 0;
    enter_open_function(ctx, mode, site, open.function, open.sp);
  }
}

}  // namespace vsup::agent::callgrind
