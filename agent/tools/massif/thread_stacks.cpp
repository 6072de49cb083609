#include "agent/tools/massif/thread_stacks.h"

#include "agent/heap/heap_alone.h"
#include "agent/tools/massif/snapshots.h"

namespace vsup::agent::massif {

namespace {

using protocol::ThreadContext;

// Farther from its base than this the thread is on another stack.
constexpr uint64_t kLargestStack = uint64_t{64} << 20;

ThreadStack& stack_of(const ThreadContext& ctx) {
  return *reinterpret_cast<ThreadStack*>(ctx.self + kThreadStackOffset);
}

void use(ThreadStack& stack, uint64_t used) {
  uint64_t change = used - stack.used;
  if (change == 0) return;
  heap_add(header().stack_bytes, change);
  heap_add(header().moved_bytes, used > stack.used ? change : -change);
  stack.used = used;
}

}  // namespace

void start_stack(const ThreadContext& ctx) {
  stack_of(ctx) = {};
  measure_stack(ctx);
}

void end_stack(const ThreadContext& ctx) {
  maybe_peak();
  use(stack_of(ctx), 0);
}

void measure_stack(const ThreadContext& ctx) {
  ThreadStack& stack = stack_of(ctx);
  uint64_t sp = ctx.gpr[protocol::kRsp];
  // A signal's or a coroutine's stack begins with what the other one has.
  if (stack.base < sp || stack.base - sp > kLargestStack) stack.base = sp + stack.used;
  uint64_t used = stack.base - sp;
  if (used < stack.used) maybe_peak();
  use(stack, used);
  maybe_peak();
  maybe_normal();
  uint64_t room = room_below_peak();
  stack.limit = sp > room ? sp - room : 0;
}

void keep_own_stack(const ThreadContext& ctx) {
  header().stack_bytes = stack_of(ctx).used;
}

}  // namespace vsup::agent::massif
