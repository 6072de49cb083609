// Purpose: the simulation of one access, fetch or branch that inserted code could not settle itself.
// Assumes: called by slow_path.S. Promises: no call out of .text.step, no loop without bound, nothing but the thread's
// slot is written: a thread in here can be stepped out of it (Exports::step_start).
#include "agent/base/context.h"
#include "agent/tools/cachesim/state.h"

#pragma GCC visibility push(hidden)
extern "C" [[gnu::section(".text.step")]] void vsup_simulate_one(vsup::protocol::ThreadContext* ctx);
extern "C" [[gnu::section(".text.step"), gnu::noinline]] void vsup_simulate_whole(vsup::protocol::ThreadContext* ctx);
#pragma GCC visibility pop

namespace vsup::agent::cachesim {

namespace {

// Makes `value`, not 0, the last used of its set if it is there; else changes nothing.
template <typename Value>
CACHESIM_INLINE bool touch_present(Value* first, Value* rest, uint32_t more, Value value) {
  const Value newest = *first;
  if (newest == value) return true;
  for (uint32_t way = 0; way < more; ++way) {
    if (rest[way] != value) continue;
    for (; way != 0; --way) rest[way] = rest[way - 1];
    rest[0] = newest;
    *first = value;
    return true;
  }
  return false;
}

CACHESIM_INLINE bool present_fetch(uint64_t slot, const CacheShape& i1, uint32_t number, uint64_t set) {
  return touch_present(reinterpret_cast<uint32_t*>(slot + kI1FirstOffset) + set,
                       reinterpret_cast<uint32_t*>(slot + kI1RestOffset) + set * (i1.ways - 1), i1.ways - 1, number);
}

CACHESIM_INLINE bool present_data(uint64_t slot, const Configuration& shape, uint64_t address) {
  const CacheShape& d1 = shape.d1;
  const uint64_t set = (address >> d1.line_bits) & (d1.sets - 1);
  const uint64_t line = address >> d1.line_bits << d1.line_bits;
  return line != 0 &&
         touch_present(reinterpret_cast<uint64_t*>(slot + kD1FirstOffset) + (set << d1.line_bits >> 3),
                       reinterpret_cast<uint64_t*>(slot + kD1RestOffset) + shape.d1_rest_of(set), d1.ways - 1, line);
}

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

}  // namespace
}  // namespace vsup::agent::cachesim

// Most places come here for a line that is there: those are settled with few registers, and without most of the
// questions that the rest asks. A line touched here is the last used, so that touching it again, for the other line of
// the same access, changes nothing.
void vsup_simulate_one(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  const uint64_t slot = ctx->self;
  const ThreadState& state = *reinterpret_cast<const ThreadState*>(slot + kStateOffset);
  const PackedAccess access{static_cast<uint32_t>(state.descriptor)};
  if (configuration.settles_hits) {
    if (access.marked()) {
      const uint64_t address = state.argument, last = address + access.size() - 1;
      if (present_data(slot, configuration, address) &&
          (!Caches::straddles(configuration.d1, address, access.size()) || present_data(slot, configuration, last)))
        return;
    } else if ((access.bits & kFetchOfLine) != 0) {
      const auto number = static_cast<uint32_t>(state.argument), set = static_cast<uint32_t>(state.argument >> 32);
      if (present_fetch(slot, configuration.i1, number, set)) return;
      const Descriptor& place = descriptors()[access.bits & kNumberMask];
      expect_miss(slot, configuration, place.address, place.counter);
    }
  }
  vsup_simulate_whole(ctx);
}

void vsup_simulate_whole(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  ThreadState& state = *reinterpret_cast<ThreadState*>(ctx->self + kStateOffset);
  const PackedAccess access{static_cast<uint32_t>(state.descriptor)};
  Descriptor packed;
  packed.counter = access.counter();
  packed.second_line = 0;
  packed.size = static_cast<uint16_t>(access.size());
  packed.kind = access.write() ? Kind::kWrite : Kind::kRead;
  const Descriptor& place = access.marked() ? packed : descriptors()[access.bits & kNumberMask];
  uint64_t* counters = counters_of(*ctx, place);
  Outcome outcome = Outcome::kHit;
  switch (place.kind) {
    case Kind::kFetch:
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
  if (outcome == Outcome::kHit || !counts(*ctx)) return;
  uint64_t* totals = totals_of(*ctx);
  const Event* events = kGroups[static_cast<unsigned>(place.kind)].events;
  ++counters[0];
  ++totals[events[0]];
  if (outcome == Outcome::kFirstMiss) return;
  ++counters[1];
  ++totals[events[1]];
  if (outcome == Outcome::kLastMiss) return;
  ++counters[2];
  ++totals[events[2]];
}
