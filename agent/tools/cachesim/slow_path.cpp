// Purpose: the simulation of one access, fetch or branch that inserted code could not settle itself.
// Assumes: called by slow_path.S. Promises: no call, no loop without bound, nothing but the thread's slot is written: a
// thread in here can be stepped out of it (Exports::step_start).
#include "agent/base/context.h"
#include "agent/tools/cachesim/state.h"

#pragma GCC visibility push(hidden)
extern "C" [[gnu::section(".text.step")]] void vsup_simulate_one(vsup::protocol::ThreadContext* ctx);
#pragma GCC visibility pop

void vsup_simulate_one(vsup::protocol::ThreadContext* ctx) {
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
