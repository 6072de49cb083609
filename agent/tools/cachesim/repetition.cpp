// Purpose: string instructions with a rep prefix. Valgrind runs them as a loop of one round an instruction: each round
// is one Ir and tests rcx, a conditional branch, and so does the test that ends it; cmps and scas branch on their
// result, too.
#include "agent/base/entry_points.h"
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

namespace {

// The app's element at an address; false when it cannot be read.
bool read_element(uint64_t address, unsigned size, uint64_t& value) {
  value = 0;
  return vsup_safe_copy(&value, reinterpret_cast<const void*>(address), size);
}

uint64_t fs_base() {
  uint64_t base;
  asm("rdfsbase %0" : "=r"(base));
  return base;
}

// Counts of one execution.
class Rounds {
 public:
  Rounds(const protocol::ThreadContext& ctx, const Descriptor& place)
      : place_(place),
        round_(Round::unpack(place.first_line)),
        state_(*reinterpret_cast<ThreadState*>(ctx.self + kStateOffset)),
        counters_(counters_of(ctx, place)),
        ctx_(ctx),
        counts_(counts(ctx)) {}

  void run();

 private:
  bool goes_on(uint64_t source, uint64_t destination);
  void access(uint64_t address, bool write);
  void branch(bool taken);
  void add(unsigned counter, Event event) {
    if (!counts_) return;
    ++counters_[counter];
    ++totals_of(ctx_)[event];
    if (event == kIr && configuration.ir_offset != 0)
      ++*reinterpret_cast<uint64_t*>(ctx_.self + configuration.ir_offset);
  }

  const Descriptor& place_;
  const Round round_;
  ThreadState& state_;
  uint64_t* counters_;
  const protocol::ThreadContext& ctx_;
  const bool counts_;
};

void Rounds::access(uint64_t address, bool write) {
  if (!configuration.has(kCaches)) return;
  add(place_.conditional_counter + (write ? 3u : 2u), write ? kDw : kDr);
  const Outcome outcome = access_data(ctx_, place_, address, write);
  if (outcome == Outcome::kHit) return;
  const unsigned first = write ? round_.miss_write : round_.miss_read;
  const Event* events = kGroups[write ? 2 : 1].events;
  add(first, events[0]);
  if (outcome == Outcome::kFirstMiss) return;
  add(first + 1, events[1]);
  if (outcome == Outcome::kDirtyMiss) add(first + 2, events[2]);
}

void Rounds::branch(bool taken) {
  if (!configuration.has(kBranches)) return;
  add(place_.conditional_counter + 4u, kBc);
  if (mispredicts(state_, place_.address, taken)) add(place_.conditional_counter, kBcm);
}

// Whether the comparison asks for another round.
bool Rounds::goes_on(uint64_t source, uint64_t destination) {
  uint64_t left = 0, right = 0;
  if (!read_element(destination, place_.size, right)) return false;
  if (round_.reads_source) {
    if (!read_element(source, place_.size, left)) return false;
  } else {
    left = ctx_.gpr[protocol::kRax] & (~uint64_t{0} >> (64 - 8 * place_.size));
  }
  return (left == right) == (round_.repetition == Repetition::kWhileEqual);
}

void Rounds::run() {
  const uint64_t mask = round_.address32 ? 0xffff'ffff : ~uint64_t{0};
  const uint64_t base = round_.source_segment == Segment::kFs ? fs_base() : 0;
  const uint64_t step = (ctx_.rflags & 0x400) != 0 ? 0 - uint64_t{place_.size} : place_.size;
  const bool goes_on_by_branch = !configuration.has(kCallgrindRules) || round_.repetition == Repetition::kCounted;
  uint64_t source = ctx_.gpr[protocol::kRsi] & mask, destination = ctx_.gpr[protocol::kRdi] & mask;
  for (uint64_t left = ctx_.gpr[protocol::kRcx] & mask;; --left) {
    branch((left != 0) == goes_on_by_branch);
    if (left == 0) return;
    if (round_.reads_destination) access(destination, false);
    if (round_.reads_source) access(base + source, false);
    if (round_.writes_destination) access(destination, true);
    if (round_.repetition != Repetition::kCounted) {
      const bool again = goes_on(base + source, destination);
      branch(again);
      if (!again) return;
    }
    // A fetch that hits, which matters where uses are counted.
    if (configuration.has(kLineUse)) fetch(ctx_, place_, round_.length);
    add(place_.conditional_counter + 1u, kIr);  // the next round, or the test that ends it
    source = (source + step) & mask;
    destination = (destination + step) & mask;
  }
}

}  // namespace

void simulate_repetition(const protocol::ThreadContext& ctx, const Descriptor& place) {
  Rounds(ctx, place).run();
}

}  // namespace vsup::agent::cachesim
