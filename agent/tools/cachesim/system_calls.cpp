#include "agent/tools/cachesim/system_calls.h"

#include "agent/base/context.h"
#include "agent/base/settings.h"
#include "agent/base/syscall.h"
#include "agent/tools/cachesim/models.h"
#include "agent/tools/cachesim/records.h"
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

namespace {

using protocol::ThreadContext;

// include/uapi/linux/time.h, arch/x86/entry/syscalls/syscall_64.tbl
constexpr int64_t kClockGettime = 228;
constexpr uint64_t kMonotonic = 1, kThreadCpuTime = 3;

SystemCallState& state_of(const ThreadContext& ctx) {
  return *reinterpret_cast<SystemCallState*>(ctx.self + kSystemCallOffset);
}

// In nanoseconds; 0 where the app's filter denies the call.
uint64_t read_clock(uint64_t clock) {
  uint64_t time[2] = {};
  raw_syscall(kClockGettime, clock, reinterpret_cast<uint64_t>(time), 0, 0);
  return time[0] * 1'000'000'000 + time[1];
}

uint64_t word_at(const ThreadContext& ctx, uint32_t offset) {
  return *reinterpret_cast<const uint64_t*>(ctx.self + offset);
}

}  // namespace

bool counts_system_calls() {
  return configuration.has(kSystemCalls);
}

void system_call_starts(const ThreadContext& ctx) {
  SystemCallState& state = state_of(ctx);
  if (state.site == 0) return;
  const uint64_t moved = configuration.moved_offset != 0 ? word_at(ctx, configuration.moved_offset) : 0;
  state.open = state.site + static_cast<uint32_t>(moved);
  state.site = 0;
  if (configuration.has(kSystemCpuTime)) state.cpu_start = read_clock(kThreadCpuTime);
  state.start = read_clock(kMonotonic);
}

void system_call_ended(const ThreadContext& ctx) {
  SystemCallState& state = state_of(ctx);
  if (state.open == 0) return;
  const uint64_t counter = state.open - 1;
  state.open = 0;
  const bool collects = configuration.collect_offset == 0 || word_at(ctx, configuration.collect_offset) != 0;
  if (!collects || counter + 3 > kMaxCounters) return;
  // As Valgrind does it: a clock that counts in units is read twice.
  const uint64_t unit = vsup_settings.tool_options[kTimeUnitOption];
  uint64_t costs[3] = {1, 0, 0};
  if (unit != 0) costs[1] = read_clock(kMonotonic) / unit - state.start / unit;
  if (configuration.has(kSystemCpuTime)) costs[2] = read_clock(kThreadCpuTime) - state.cpu_start;
  auto* counters = reinterpret_cast<uint64_t*>(ctx.self + kCountersOffset);
  for (unsigned i = 0; i < 3; ++i) {
    counters[counter + i] += costs[i];
    totals_of(ctx)[kSysCount + i] += costs[i];
  }
}

void system_call_forgotten(const ThreadContext& ctx) {
  state_of(ctx).open = 0;
}

}  // namespace vsup::agent::cachesim
