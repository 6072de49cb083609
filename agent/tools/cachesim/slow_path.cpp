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

// Makes `value`, not 0, the last used of a set of at least four ways if it is among the last four; else changes
// nothing.
template <typename Value>
CACHESIM_INLINE bool touch_recent(Value* first, Value* rest, Value value) {
  const Value newest = *first;
  if (newest == value) return true;
  const Value second = rest[0];
  if (second != value) {
    const Value third = rest[1];
    if (third != value) {
      if (rest[2] != value) return false;
      rest[2] = third;
    }
    rest[1] = second;
  }
  rest[0] = newest;
  *first = value;
  return true;
}

CACHESIM_INLINE bool recent_fetch(uint64_t slot, const CacheShape& i1, uint32_t number, uint64_t address) {
  const uint64_t set = (address >> i1.line_bits) & (i1.sets - 1);
  return touch_recent(reinterpret_cast<uint32_t*>(slot + kI1FirstOffset) + set,
                      reinterpret_cast<uint32_t*>(slot + kI1RestOffset) + set * (i1.ways - 1), number);
}

CACHESIM_INLINE bool recent_data(uint64_t slot, const Configuration& shape, uint64_t address) {
  const CacheShape& d1 = shape.d1;
  const uint64_t set = (address >> d1.line_bits) & (d1.sets - 1);
  const uint64_t line = address >> d1.line_bits << d1.line_bits;
  return line != 0 && touch_recent(reinterpret_cast<uint64_t*>(slot + kD1FirstOffset) + (set << d1.line_bits >> 3),
                                   reinterpret_cast<uint64_t*>(slot + kD1RestOffset) + shape.d1_rest_of(set), line);
}

}  // namespace
}  // namespace vsup::agent::cachesim

// Most places come here for a line that was used shortly before: those are settled with few registers, and without
// most of the questions that the rest asks. A line touched here is the last used, so that touching it again, for the
// other line of the same access, changes nothing.
void vsup_simulate_one(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  const uint64_t slot = ctx->self;
  const ThreadState& state = *reinterpret_cast<const ThreadState*>(slot + kStateOffset);
  const Descriptor& place = descriptors()[state.descriptor];
  if (place.kind <= Kind::kWrite && configuration.settles_recent) {
    if (place.kind == Kind::kFetch) {
      const CacheShape& i1 = configuration.i1;
      if (recent_fetch(slot, i1, place.first_line, place.address) &&
          (place.second_line == 0 || recent_fetch(slot, i1, place.second_line, place.address + place.size - 1)))
        return;
    } else {
      const CacheShape& d1 = configuration.d1;
      const uint64_t address = state.argument, last = address + place.size - 1;
      if (recent_data(slot, configuration, address) &&
          (!Caches::straddles(d1, address, place.size) || recent_data(slot, configuration, last)))
        return;
    }
  }
  vsup_simulate_whole(ctx);
}

void vsup_simulate_whole(vsup::protocol::ThreadContext* ctx) {
  using namespace vsup::agent::cachesim;
  ThreadState& state = *reinterpret_cast<ThreadState*>(ctx->self + kStateOffset);
  const Descriptor& place = descriptors()[state.descriptor];
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
