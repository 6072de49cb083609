// Purpose: the simulation of one access, fetch or branch that inserted code could not settle itself.
// Assumes: called by slow_path.S. Promises: no call out of .text.step, no loop without bound, nothing but the thread's
// slot is written: a thread in here can be stepped out of it (Exports::step_start).
#include "agent/base/context.h"
#include "agent/tools/cachesim/state.h"

#pragma GCC visibility push(hidden)
extern "C" [[gnu::section(".text.step")]] void vsup_simulate_one(vsup::protocol::ThreadContext* ctx);
extern "C" [[gnu::section(".text.step"), gnu::noinline]] void vsup_simulate_any(vsup::protocol::ThreadContext* ctx);
#pragma GCC visibility pop

namespace vsup::agent::cachesim {

namespace {

// A miss in the first level waits for memory that was not used for long, each time for longer than all else takes: LL's
// first ways, which are far apart, and the counter. They are fetched at once.
CACHESIM_INLINE void expect_miss(uint64_t slot, const Configuration& shape, uint64_t address, uint32_t counter) {
  const CacheShape& ll = shape.ll;
  const uint64_t* set =
      reinterpret_cast<const uint64_t*>(slot + kLLOffset) + ((address >> ll.line_bits) & (ll.sets - 1));
  __builtin_prefetch(set, 1);
  __builtin_prefetch(set + ll.sets, 1);
  __builtin_prefetch(set + 2ull * ll.sets, 1);
  __builtin_prefetch(reinterpret_cast<const uint64_t*>(slot + kCountersOffset) + counter, 1);
}

CACHESIM_INLINE void count(const protocol::ThreadContext& ctx, uint64_t* counters, Kind kind, Outcome outcome) {
  if (outcome == Outcome::kHit || !counts(ctx)) return;
  uint64_t* totals = totals_of(ctx);
  const Event* events = kGroups[static_cast<unsigned>(kind)].events;
  ++counters[0];
  ++totals[events[0]];
  if (outcome == Outcome::kFirstMiss) return;
  ++counters[1];
  ++totals[events[1]];
  if (outcome == Outcome::kLastMiss) return;
  ++counters[2];
  ++totals[events[2]];
}

}  // namespace
}  // namespace vsup::agent::cachesim

// Most that come here miss in the first level, and are plain.
void vsup_simulate_one(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  const ThreadState& state = *reinterpret_cast<const ThreadState*>(ctx->self + kStateOffset);
  const PackedAccess access{state.descriptor};
  const uint64_t address = state.argument;
  const bool fetches = access.is_fetch();
  if (!fetches &&
      !(access.marked() && configuration.plain && !Caches::straddles(configuration.d1, address, access.size()))) {
    vsup_simulate_any(ctx);
    return;
  }
  expect_miss(ctx->self, configuration, address, access.counter());
  Caches caches = Caches::of_slot(configuration, ctx->self);
  if (fetches ? caches.i1_line(state.line, address) : caches.d1_line(address)) return;
  const Outcome outcome = caches.ll_line(address, false) == Outcome::kHit ? Outcome::kFirstMiss : Outcome::kLastMiss;
  uint64_t* counters =
      reinterpret_cast<uint64_t*>(ctx->self + kCountersOffset) + access.counter() + counters_moved(*ctx);
  count(*ctx, counters, fetches ? Kind::kFetch : access.write() ? Kind::kWrite : Kind::kRead, outcome);
}

void vsup_simulate_any(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  ThreadState& state = *reinterpret_cast<ThreadState*>(ctx->self + kStateOffset);
  const PackedAccess access{state.descriptor};
  Descriptor packed;
  packed.counter = access.counter();
  packed.second_line = 0;
  packed.size = static_cast<uint16_t>(access.size());
  packed.kind = access.write() ? Kind::kWrite : Kind::kRead;
  const Descriptor& place = access.marked() ? packed : descriptors()[access.bits];
  uint64_t* counters = counters_of(*ctx, place);
  Outcome outcome = Outcome::kHit;
  switch (place.kind) {
    case Kind::kFetch:
      expect_miss(ctx->self, configuration, place.address, place.counter);
      outcome = fetch(*ctx, place, place.size);
      break;
    case Kind::kRead:
    case Kind::kWrite:
      outcome = access_data(*ctx, place, state.argument, place.kind == Kind::kWrite);
      break;
    case Kind::kConditional:
      if (mispredicts(state, place.address, state.argument != 0)) outcome = Outcome::kFirstMiss;
      break;
    case Kind::kIndirect:
      if (mispredicts_target(state, place.address, state.argument)) outcome = Outcome::kFirstMiss;
      break;
    case Kind::kRepetition:
      return;
  }
  count(*ctx, counters, place.kind, outcome);
}
