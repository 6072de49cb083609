#include "agent/tools/callgrind/event_costs.h"

#include "agent/base/context.h"
#include "agent/base/settings.h"
#include "agent/base/syscall.h"
#include "agent/tools/callgrind/thread_counts.h"

#pragma GCC visibility push(hidden)
extern "C" {
[[gnu::section(".text.step")]] void vsup_enter_costs(vsup::protocol::ThreadContext* ctx);
[[gnu::section(".text.step")]] void vsup_leave_costs(vsup::protocol::ThreadContext* ctx);
}
#pragma GCC visibility pop

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

cachesim::EventList list;
uint64_t rows = 0;

// Adds the thread's totals to the row of an edge or node, or subtracts them.
template <bool kAdd>
[[gnu::always_inline]] inline void settle(const ThreadContext& ctx, uint32_t cost) {
  if (cost >= rows) return;
  auto* row = reinterpret_cast<uint64_t*>(ctx.self + kEventRowsOffset) + uint64_t{cost} * list.count;
  const auto* totals = reinterpret_cast<const uint64_t*>(ctx.self + cachesim::kTotalsOffset);
  for (unsigned i = 0; i < list.count; ++i) {
    const uint64_t total = totals[list.events[i]];
    row[i] += kAdd ? total : 0 - total;
  }
}

[[gnu::always_inline]] inline void enter(const ThreadContext& ctx) {
  *in_slot<uint64_t>(ctx, kEventTopOffset) = ctx.tool_stack;
  settle<false>(ctx, top_frame(ctx)->cost);
}

[[gnu::always_inline]] inline void leave(const ThreadContext& ctx) {
  *in_slot<uint64_t>(ctx, kEventTopOffset) = ctx.tool_stack - sizeof(Frame);
  settle<true>(ctx, top_frame(ctx)->cost);
}

template <bool kAdd>
void settle_all(const ThreadContext& ctx, uint64_t bottom, uint64_t top) {
  if (rows == 0) return;
  for (const auto* frame = reinterpret_cast<const Frame*>(bottom) + 1; frame < reinterpret_cast<const Frame*>(top);
       ++frame)
    settle<kAdd>(ctx, frame->cost);
}

}  // namespace

void configure_event_costs() {
  list = cachesim::simulated_events(vsup_settings.tool_options[cachesim::kFlagsOption]);
  rows = event_rows(list.count);
}

bool has_event_costs() {
  return rows != 0;
}

void function_entered(const ThreadContext& ctx) {
  if (rows != 0) enter(ctx);
}

void function_leaves(const ThreadContext& ctx) {
  if (rows != 0) leave(ctx);
}

void cost_moved(const ThreadContext& ctx, uint32_t from) {
  if (top_frame(ctx)->cost == from) return;
  settle<true>(ctx, from);
  settle<false>(ctx, top_frame(ctx)->cost);
}

void stack_parked(const ThreadContext& ctx, uint64_t bottom) {
  settle_all<true>(ctx, bottom, ctx.tool_stack);
  *in_slot<uint64_t>(ctx, kEventTopOffset) = 0;
}

void stack_resumed(const ThreadContext& ctx, uint64_t bottom) {
  settle_all<false>(ctx, bottom, ctx.tool_stack);
  *in_slot<uint64_t>(ctx, kEventTopOffset) = ctx.tool_stack;
}

void stack_abandoned(const ThreadContext& ctx, const StackRecord& stack) {
  uint64_t& top = *in_slot<uint64_t>(ctx, kEventTopOffset);
  if (top > stack.bottom && top <= stack.end) settle_all<true>(ctx, stack.bottom, top);
  top = 0;
}

void clear_event_costs(const ThreadContext& ctx) {
  if (rows != 0) zero_pages(ctx.self + kEventRowsOffset, kEventRowsSize);
}

}  // namespace vsup::agent::callgrind

void vsup_enter_costs(vsup::protocol::ThreadContext* ctx) {
  vsup::agent::callgrind::enter(*ctx);
}

void vsup_leave_costs(vsup::protocol::ThreadContext* ctx) {
  vsup::agent::callgrind::leave(*ctx);
}
