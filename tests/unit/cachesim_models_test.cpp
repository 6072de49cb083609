// The simulated caches and predictors: traces worked out by hand, and random ones against a plain list of used lines.
#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "agent/tools/cachesim/models.h"

namespace {

using namespace vsup::agent::cachesim;

CacheShape shape(uint32_t size, uint32_t ways, uint32_t line) {
  return {.sets = size / line / ways, .ways = ways, .line_bits = static_cast<uint32_t>(__builtin_ctz(line))};
}

// Caches with memory of their own.
struct Machine {
  Machine(CacheShape i1, CacheShape d1, CacheShape ll, uint64_t flags = kCaches)
      : configuration{flags, i1, d1, ll},
        state(std::make_unique<ThreadState>()),
        d1_hints(kHints),
        d1_ways(size_t{d1.sets} * d1.ways + 1),
        i1_ways(size_t{i1.sets} * i1.ways),
        i1_uses(4096),
        ll_ways(size_t{ll.sets} * ll.ways),
        caches{configuration, *state, d1_hints.data(), d1_ways.data(), i1_ways.data(), i1_uses.data(), ll_ways.data()} {
    caches.start();
  }

  Outcome fetch(uint64_t address, uint64_t size) {
    const auto number = [this](uint64_t byte) {
      const uint64_t line = byte >> configuration.i1.line_bits;
      return numbers.try_emplace(line, static_cast<uint32_t>(numbers.size() + 1)).first->second;
    };
    const uint32_t first = number(address), last = number(address + size - 1);
    return caches.fetch(address, size, first, last == first ? 0 : last);
  }

  Configuration configuration;
  std::unique_ptr<ThreadState> state;
  std::vector<uint32_t> d1_hints;
  std::vector<DataWay> d1_ways;
  std::vector<uint32_t> i1_ways;
  std::vector<uint64_t> i1_uses, ll_ways;
  std::map<uint64_t, uint32_t> numbers;
  Caches caches;
};

// The same by the definition: each set a list of lines, last used first.
class Reference {
 public:
  explicit Reference(CacheShape cache) : cache_(cache), sets_(cache.sets) {}

  bool hits(uint64_t line) {
    std::list<uint64_t>& set = sets_[line % cache_.sets];
    const auto found = std::find(set.begin(), set.end(), line);
    const bool hit = found != set.end();
    if (hit) set.erase(found);
    set.push_front(line);
    if (set.size() > cache_.ways) set.pop_back();
    return hit;
  }

  bool access(uint64_t address, uint64_t size) {
    const uint64_t first = address >> cache_.line_bits, last = (address + size - 1) >> cache_.line_bits;
    bool hit = hits(first);
    if (last != first) hit = hits(last) && hit;
    return hit;
  }

 private:
  CacheShape cache_;
  std::vector<std::list<uint64_t>> sets_;
};

const CacheShape kSmall = shape(256, 2, 32);  // 4 sets
const CacheShape kLast = shape(1024, 4, 64);  // 4 sets

}  // namespace

TEST_CASE("cachesim: the least recently used line of a set goes") {
  Machine machine(kSmall, kSmall, kLast);
  Caches& caches = machine.caches;
  CHECK(caches.data(0x10000, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x1001c, 4, true) == Outcome::kHit);
  CHECK(caches.data(0x10080, 4, false) == Outcome::kLastMiss);  // same set, second way
  CHECK(caches.data(0x10000, 1, false) == Outcome::kHit);       // now the last used
  CHECK(caches.data(0x10100, 4, false) == Outcome::kLastMiss);  // 0x10080 goes
  CHECK(caches.data(0x10000, 4, false) == Outcome::kHit);
  CHECK(caches.data(0x10080, 4, false) == Outcome::kFirstMiss);  // LL still has it
}

TEST_CASE("cachesim: an access over two lines is one access and at most one miss") {
  Machine machine(kSmall, kSmall, kLast);
  Caches& caches = machine.caches;
  CHECK(caches.data(0x1003c, 8, false) == Outcome::kLastMiss);  // both lines miss in both caches
  CHECK(caches.data(0x10040, 4, false) == Outcome::kHit);
  CHECK(caches.data(0x10020, 4, false) == Outcome::kHit);
  CHECK(caches.data(0x1005c, 8, false) == Outcome::kFirstMiss);  // D1 has the first of its lines, LL holds both in one
  CHECK(caches.data(0x1007c, 8, false) == Outcome::kLastMiss);   // LL has the first
}

TEST_CASE("cachesim: LL sees both lines of an access of which one missed") {
  // D1 has one line of 32 bytes a set, LL one way: the line that D1 has is used again in LL.
  Machine machine(kSmall, shape(64, 1, 32), shape(128, 2, 64));
  Caches& caches = machine.caches;
  CHECK(caches.data(0x10030, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x1003e, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x10080, 4, false) == Outcome::kLastMiss);  // LL: one set, 0x10000 goes
  CHECK(caches.data(0x10040, 4, false) == Outcome::kFirstMiss);
}

TEST_CASE("cachesim: a direct-mapped cache has one way") {
  Machine machine(kSmall, shape(128, 1, 32), kLast);
  CHECK(machine.caches.data(0x20000, 4, false) == Outcome::kLastMiss);
  CHECK(machine.caches.data(0x20080, 4, false) == Outcome::kLastMiss);
  CHECK(machine.caches.data(0x20000, 4, false) == Outcome::kFirstMiss);
}

TEST_CASE("cachesim: fetches have a cache of their own and share LL with data") {
  Machine machine(kSmall, kSmall, kLast);
  CHECK(machine.fetch(0x40001e, 5) == Outcome::kLastMiss);
  CHECK(machine.fetch(0x400023, 5) == Outcome::kHit);
  CHECK(machine.caches.data(0x400000, 8, false) == Outcome::kFirstMiss);
}

TEST_CASE("cachesim: caches agree with lists of lines on random accesses") {
  const CacheShape shapes[] = {
      shape(64, 1, 32), shape(128, 1, 64), shape(512, 16, 32), shape(768, 3, 64), kSmall, kLast, shape(4096, 8, 128)};
  std::mt19937 random(20260701);
  for (const CacheShape& first : shapes) {
    for (const CacheShape& last : shapes) {
      Machine machine(first, first, last);
      Reference i1(first), d1(first), ll(last);
      int wrong = 0;
      for (int round = 0; round < 3000; ++round) {
        const uint64_t size = 1 + random() % 32, address = 0x5555'0000 + random() % (round % 7 == 0 ? 20000 : 900);
        const bool code = random() % 3 == 0;
        Outcome expected = Outcome::kHit;
        if (!(code ? i1 : d1).access(address, size))
          expected = ll.access(address, size) ? Outcome::kFirstMiss : Outcome::kLastMiss;
        const Outcome outcome =
            code ? machine.fetch(address, size) : machine.caches.data(address, size, random() % 2 == 0);
        if (outcome != expected) ++wrong;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("cachesim: with write-back an empty way of LL is its lowest line") {
  Machine machine(kSmall, kSmall, shape(1 << 20, 4, 64), kCaches | kWriteBack);
  CHECK(machine.caches.data(0x10040, 4, false) == Outcome::kFirstMiss);  // below the size of a way
  CHECK(machine.caches.data(0x90040, 4, false) == Outcome::kLastMiss);
  CHECK(machine.caches.data(0x10040, 4, false) == Outcome::kHit);
}

TEST_CASE("cachesim: write-back counts a miss that evicts a dirty line") {
  Machine machine(kSmall, shape(64, 1, 32), shape(256, 1, 64), kCaches | kWriteBack);
  Caches& caches = machine.caches;
  CHECK(caches.data(0x10000, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x10000, 4, true) == Outcome::kHit);         // D1 has it, LL's line gets dirty
  CHECK(caches.data(0x10100, 4, false) == Outcome::kDirtyMiss);  // and goes
  CHECK(caches.data(0x10200, 4, true) == Outcome::kLastMiss);    // that one was clean
  CHECK(machine.fetch(0x10300, 4) == Outcome::kDirtyMiss);
}

TEST_CASE("cachesim: three lines in a row prefetch the one five lines on") {
  Machine machine(kSmall, shape(64, 1, 32), shape(1 << 16, 4, 64), kCaches | kPrefetch);
  Caches& caches = machine.caches;
  for (uint64_t line = 0; line < 3; ++line) CHECK(caches.data(0x90000 + 64 * line, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x90000 + 64 * 7, 4, false) == Outcome::kFirstMiss);
  // Downwards in another stream.
  for (uint64_t line = 0; line < 3; ++line) CHECK(caches.data(0x93fc0 - 64 * line, 4, false) == Outcome::kLastMiss);
  CHECK(caches.data(0x93fc0 - 64 * 7, 4, false) == Outcome::kFirstMiss);
}

TEST_CASE("cachesim: conditional branches are predicted by address and history") {
  auto state = std::make_unique<ThreadState>();
  // The history is that of the branch itself: always taken. Two executions until a counter predicts so, each with a
  // new history until it is all ones, seven executions on.
  unsigned wrong = 0;
  for (int i = 0; i < 100; ++i) wrong += mispredicts(*state, 0x401000, true) ? 1 : 0;
  CHECK(wrong == 9);
  CHECK(mispredicts(*state, 0x401000, false));
  CHECK(!mispredicts(*state, 0x401001, false));  // a counter of its own, weakly not taken at first
}

TEST_CASE("cachesim: indirect branches are predicted to go where the last one went") {
  auto state = std::make_unique<ThreadState>();
  CHECK(mispredicts_target(*state, 0x401000, 0x500000));
  CHECK(!mispredicts_target(*state, 0x401000, 0x500000));
  CHECK(mispredicts_target(*state, 0x401000, 0x500010));
  CHECK(!mispredicts_target(*state, 0x401200, 0x500010));  // shares its low 9 bits
}
