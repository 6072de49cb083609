#include "agent/tools/callgrind/stacks.h"

#include "agent/base/entry_points.h"
#include "agent/engine/code_cache.h"
#include "agent/tools/callgrind/calls.h"
#include "agent/tools/callgrind/event_costs.h"
#include "agent/tools/callgrind/function_starts.h"
#include "agent/tools/callgrind/tables.h"
#include "agent/tools/callgrind/thread_counts.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

// Stack pointers further apart than this are of two stacks. Smaller ones may be, too.
constexpr uint64_t kFar = 1 << 20;
// A return to a function's start so near below is a way to call, not the start of a coroutine.
constexpr uint64_t kPushedCalls = 4096;

StackRecord* stacks() {
  return reinterpret_cast<StackRecord*>(kStackRecordsAt);
}
uint32_t& current_index(const ThreadContext& ctx) {
  return *in_slot<uint32_t>(ctx, kStackIndexOffset);
}
StackRecord& current(const ThreadContext& ctx) {
  return stacks()[current_index(ctx)];
}
uint64_t stack_pointer(const ThreadContext& ctx) {
  return ctx.gpr[protocol::kRsp];
}

bool is_far(uint64_t a, uint64_t b) {
  return (a > b ? a - b : b - a) > kFar;
}

// A free record, or that of a stack parked long ago, which is forgotten.
uint32_t allocate(const ThreadContext& ctx) {
  Header& records = header();
  static uint32_t oldest = 0;
  uint32_t index = 0;
  while (index < records.stacks && stacks()[index].state != StackState::kFree) ++index;
  if (index == kMaxStacks) {
    do oldest = (oldest + 1) % kMaxStacks;
    while (stacks()[oldest].state == StackState::kRunning);
    index = oldest;
  }
  if (index == records.stacks) records.stacks = index + 1;
  uint64_t bottom = kStacksAt + index * kStackSize;
  stacks()[index] = {StackState::kRunning, 0, ctx.self, bottom, bottom + kStackSize, 0, 0};
  return index;
}

void run_on(ThreadContext& ctx, uint32_t index) {
  StackRecord& stack = stacks()[index];
  stack.state = StackState::kRunning;
  stack.owner = ctx.self;
  current_index(ctx) = index;
  ctx.tool_stack_end = stack.end - sizeof(Frame);
}

void begin_empty(ThreadContext& ctx, uint32_t index) {
  run_on(ctx, index);
  auto* bottom = reinterpret_cast<Frame*>(stacks()[index].bottom);
  *bottom = {.sp = kBottomSp, .ir = 0, .cost = 0, .context = 0, .unused = 0};
  ctx.tool_stack = reinterpret_cast<uint64_t>(bottom + 1);
}

void shift_ir(const StackRecord& stack, uint64_t top, uint64_t by) {
  for (auto* frame = reinterpret_cast<Frame*>(stack.bottom) + 1; frame < reinterpret_cast<Frame*>(top); ++frame)
    frame->ir += by;
}

void park(ThreadContext& ctx) {
  StackRecord& stack = current(ctx);
  stack.state = StackState::kParked;
  stack.top = ctx.tool_stack;
  shift_ir(stack, stack.top, 0 - ir_so_far(ctx));
  stack_parked(ctx, stack.bottom);
}

void resume(ThreadContext& ctx, uint32_t index) {
  StackRecord& stack = stacks()[index];
  ctx.tool_stack = stack.top;
  shift_ir(stack, stack.top, ir_so_far(ctx));
  stack_resumed(ctx, stack.bottom);
  run_on(ctx, index);
}

// A parked stack whose topmost function returns by the address at `sp`.
constexpr uint32_t kNone = ~0u;
uint32_t parked_at(uint64_t sp) {
  for (uint32_t i = 0; i < header().stacks; ++i) {
    const StackRecord& stack = stacks()[i];
    if (stack.state == StackState::kParked && frame_sp(reinterpret_cast<const Frame*>(stack.top)[-1]) == sp) return i;
  }
  return kNone;
}

void forget_current(ThreadContext& ctx, const CountMode& mode) {
  while (frame_sp(*top_frame(ctx)) != kBottomSp) leave_function(ctx, mode);
  current(ctx).state = StackState::kFree;
}

// The handler was left by a jump: the stack that it interrupted goes on.
bool leave_handler(ThreadContext& ctx, const CountMode& mode) {
  const StackRecord handler = current(ctx);
  const uint64_t sp = stack_pointer(ctx);
  if (handler.interrupted == 0 || (sp <= handler.handler_sp && !is_far(sp, handler.handler_sp))) return false;
  if (stacks()[handler.interrupted - 1].state != StackState::kParked) return false;
  forget_current(ctx, mode);
  resume(ctx, handler.interrupted - 1);
  return true;
}

// Whether functions that are still open run near `sp`: then those below it were left, however far it is.
bool has_frame_near(const ThreadContext& ctx, uint64_t sp) {
  for (const Frame* frame = top_frame(ctx); frame_sp(*frame) != kBottomSp; --frame)
    if (frame_sp(*frame) >= sp) return !is_far(frame_sp(*frame), sp);
  return false;
}

// A coroutine begins: the function that a return goes to the first instruction of.
bool start_coroutine(ThreadContext& ctx, const CountMode& mode) {
  const uint64_t sp = stack_pointer(ctx), top = frame_sp(*top_frame(ctx));
  uint64_t target = 0;
  if (!vsup_safe_copy(&target, reinterpret_cast<const void*>(sp), sizeof target)) return false;
  const bool at_start = function_start(AppPc{target}) == target;
  const bool far = top != kBottomSp && is_far(sp, top);
  if (!far && (!at_start || top == kBottomSp || (sp < top && top - sp < kPushedCalls))) return false;
  if (sp > top && !at_start && has_frame_near(ctx, sp)) return false;
  park(ctx);
  begin_empty(ctx, allocate(ctx));
  if (at_start) enter_from_nowhere(ctx, mode, target, sp + 8);
  return true;
}

}  // namespace

void start_stack(ThreadContext& ctx) {
  for (uint32_t i = 0; i < header().stacks; ++i) {
    StackRecord& stack = stacks()[i];
    if (stack.owner != ctx.self || stack.state != StackState::kRunning) continue;
    stack_abandoned(ctx, stack);
    stack.state = StackState::kFree;
  }
  uint32_t index = allocate(ctx);
  stacks()[index].bottom = ctx.self + kShadowStackOffset;
  stacks()[index].end = ctx.self + kShadowStackEnd;
  begin_empty(ctx, index);
}

void end_stacks(ThreadContext& ctx, const CountMode& mode) {
  forget_current(ctx, mode);
  for (uint32_t i = 0; i < header().stacks; ++i) {
    StackRecord& stack = stacks()[i];
    if (stack.owner != ctx.self || stack.state != StackState::kParked) continue;
    resume(ctx, i);
    forget_current(ctx, mode);
  }
  start_stack(ctx);
}

void restart_stacks(ThreadContext& ctx) {
  for (uint32_t i = 0; i < header().stacks; ++i) {
    StackRecord& stack = stacks()[i];
    if (stack.state == StackState::kRunning && stack.owner != ctx.self) stack.state = StackState::kFree;
    if (stack.state == StackState::kFree) continue;
    uint64_t top = stack.state == StackState::kParked ? stack.top : ctx.tool_stack;
    for (auto* frame = reinterpret_cast<Frame*>(stack.bottom); frame < reinterpret_cast<Frame*>(top); ++frame)
      frame->ir = 0;
  }
}

void settle_stack(ThreadContext& ctx, const CountMode& mode, bool is_return) {
  const uint64_t sp = stack_pointer(ctx);
  if (is_return && frame_sp(*top_frame(ctx)) != sp) {
    if (uint32_t parked = parked_at(sp); parked != kNone) {
      // A handler's own stack is left for good.
      if (stacks()[current_index(ctx)].interrupted == parked + 1)
        forget_current(ctx, mode);
      else
        park(ctx);
      resume(ctx, parked);
    } else if (!leave_handler(ctx, mode) && start_coroutine(ctx, mode)) {
      return;
    }
  } else if (!is_return && !leave_handler(ctx, mode) && frame_sp(*top_frame(ctx)) != kBottomSp &&
             is_far(sp, frame_sp(*top_frame(ctx)))) {
    // A return made by hand: the address has been popped.
    const uint32_t parked = parked_at(sp - 8);
    if (parked == kNone && sp < frame_sp(*top_frame(ctx))) return;  // a large frame
    if (parked != kNone) {
      park(ctx);
      resume(ctx, parked);
    } else if (!has_frame_near(ctx, sp)) {
      park(ctx);
      begin_empty(ctx, allocate(ctx));
    }
  }
  while (frame_sp(*top_frame(ctx)) < sp || (is_return && frame_sp(*top_frame(ctx)) == sp)) leave_function(ctx, mode);
}

void start_handler(ThreadContext& ctx, const CountMode& mode) {
  const uint32_t interrupted = current_index(ctx);
  park(ctx);
  const uint32_t index = allocate(ctx);
  begin_empty(ctx, index);
  stacks()[index].interrupted = interrupted + 1;
  stacks()[index].handler_sp = stack_pointer(ctx);
  enter_from_nowhere(ctx, mode, ctx.app_pc, stack_pointer(ctx));
}

void end_handler(ThreadContext& ctx, const CountMode& mode) {
  const StackRecord handler = current(ctx);
  if (handler.interrupted == 0 || stack_pointer(ctx) != handler.handler_sp + 8) return;
  if (stacks()[handler.interrupted - 1].state != StackState::kParked) return;
  forget_current(ctx, mode);
  resume(ctx, handler.interrupted - 1);
}

void leave_far_stack(ThreadContext& ctx, uint64_t sp) {
  const uint64_t top = frame_sp(*top_frame(ctx));
  if (top == kBottomSp || !is_far(sp, top)) return;
  park(ctx);
  begin_empty(ctx, allocate(ctx));
}

void drop_stale_frames(ThreadContext& ctx, const CountMode& mode) {
  auto* frame = reinterpret_cast<Frame*>(current(ctx).bottom) + 1;
  const uint64_t sp = stack_pointer(ctx);
  while (frame <= top_frame(ctx) && frame_sp(*frame) >= sp && return_address_stands(mode, *frame)) ++frame;
  while (frame <= top_frame(ctx)) leave_function(ctx, mode);
}

}  // namespace vsup::agent::callgrind
