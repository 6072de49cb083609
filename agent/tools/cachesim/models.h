// Purpose: the simulated caches and branch predictors, as Valgrind 3.19's cachegrind and callgrind have them.
// Assumes: memory that was zero at first. Promises: pure; freestanding and hosted.
//
// Caches: least recently used, inclusive of nothing: LL sees what misses in the first level. An access that straddles
// two lines counts as one, and misses if either line does; LL then sees both lines. An instruction that reads and
// writes the same operand reads only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/tools/cachesim/records.h"

namespace vsup::agent::cachesim {

#define CACHESIM_INLINE __attribute__((always_inline)) inline

// Looks for `value`, which is not 0, among a set's ways, last used first, and makes it the first. An empty way is 0,
// and those behind it are empty, too; `empty_matches` says that it counts as holding the value. Returns whether it was
// there.
template <typename Value>
CACHESIM_INLINE bool touch(Value* first, Value* rest, uint64_t step, uint32_t more, Value value, bool empty_matches) {
  Value here = *first;
  *first = value;
  if (here == value) return true;
  if (here == 0) return empty_matches;
  for (; more != 0; --more, rest += step) {
    const Value carried = here;
    here = *rest;
    *rest = carried;
    if (here == value) return true;
    if (here == 0) return empty_matches;
  }
  return false;
}

// The number of the way with the least use(number), as a signed one. Without branches, which nobody could predict.
template <typename Use>
CACHESIM_INLINE uint64_t oldest(uint32_t ways, Use use) {
  uint64_t found = 0;
  auto least = static_cast<int64_t>(use(0));
  for (uint64_t i = 1; i < ways; ++i) {
    const auto here = static_cast<int64_t>(use(i));
    const uint64_t less = uint64_t{0} - (here < least ? 1 : 0);
    found ^= (found ^ i) & less;
    least ^= (least ^ here) & static_cast<int64_t>(less);
  }
  return found;
}

enum class Outcome : uint8_t { kHit, kFirstMiss, kLastMiss, kDirtyMiss };

// The same where the lowest bit of a way says that it is dirty. Ways hold tags as Valgrind has them, without the bits
// that choose the set, so that an empty one, 0, cannot be told from the lowest line.
CACHESIM_INLINE Outcome touch_dirty(uint64_t* first, uint64_t* rest, uint64_t step, uint32_t more, uint64_t tag,
                                    uint64_t dirty) {
  uint64_t here = *first;
  if ((here & ~uint64_t{1}) == tag) {
    *first = here | dirty;
    return Outcome::kHit;
  }
  for (; more != 0; --more, rest += step) {
    const uint64_t carried = here;
    here = *rest;
    *rest = carried;
    if ((here & ~uint64_t{1}) == tag) {
      *first = here | dirty;
      return Outcome::kHit;
    }
  }
  *first = tag | dirty;
  return (here & 1) != 0 ? Outcome::kDirtyMiss : Outcome::kLastMiss;
}

// And where an exact value is looked for that is no tag (see prefetch()).
CACHESIM_INLINE void touch_exact(uint64_t* first, uint64_t* rest, uint64_t step, uint32_t more, uint64_t value) {
  uint64_t here = *first;
  *first = value;
  for (; more != 0 && here != value; --more, rest += step) {
    const uint64_t carried = here;
    here = *rest;
    *rest = carried;
  }
}

// Small state of a thread.
struct ThreadState {
  uint64_t argument;           // of inserted code to the slow path: an address, a target, or whether taken
  uint32_t descriptor;         // likewise, its number
  uint32_t line;               // likewise, the number of a line of code
  uint64_t clock;              // lines of I1 and D1 that were used; inserted code has it in a register
  uint64_t history;            // outcomes of conditional branches, the last in bit 0
  uint32_t stream_line[8];     // prefetcher: the last line of each stream
  int32_t stream_run[8];       // and how many came in a row, downward when negative
  uint64_t targets[512];       // of indirect branches, by address
  uint8_t counters[1u << 14];  // of conditional branches: 2 and 3 predict taken
};
static_assert(sizeof(ThreadState) <= kTotalsOffset - kStateOffset);

struct Configuration {
  uint64_t flags = 0;
  CacheShape i1, d1, ll;
  // Of words in the thread's slot: where it counts Ir; 0 there: nothing is counted now, though simulated. 0: none.
  uint32_t ir_offset = 0, collect_offset = 0;
  // And of one that is added to the numbers of counters: the block is executed in a context with counters of its own.
  uint32_t moved_offset = 0;

  // A data access or fetch within a line looks for it in the first level, then in LL, and that is all.
  bool plain = false;

  CACHESIM_INLINE bool has(Flag flag) const { return (flags & flag) != 0; }
  CACHESIM_INLINE uint32_t ll_tag_shift() const { return ll.line_bits + static_cast<uint32_t>(__builtin_ctz(ll.sets)); }
};

// One thread's caches.
struct Caches {
  const Configuration& shape;
  ThreadState& state;
  uint32_t* d1_hints;
  DataWay* d1_ways;
  uint32_t* i1_ways;
  uint64_t* i1_uses;
  uint64_t* ll;

  // Where the slot at `slot` has them.
  static CACHESIM_INLINE Caches of_slot(const Configuration& shape, uint64_t slot) {
    return {shape,
            *reinterpret_cast<ThreadState*>(slot + kStateOffset),
            reinterpret_cast<uint32_t*>(slot + kD1HintsOffset),
            reinterpret_cast<DataWay*>(slot + kD1WaysOffset),
            reinterpret_cast<uint32_t*>(slot + kI1WaysOffset),
            reinterpret_cast<uint64_t*>(slot + kI1UsesOffset),
            reinterpret_cast<uint64_t*>(slot + kLLOffset)};
  }

  // Valgrind's empty ways hold line 0.
  static CACHESIM_INLINE bool empty_matches(const CacheShape& cache, uint64_t address) {
    return address >> cache.line_bits == 0;
  }

  static CACHESIM_INLINE bool straddles(const CacheShape& cache, uint64_t address, uint64_t size) {
    return (address >> cache.line_bits) != ((address + size - 1) >> cache.line_bits);
  }

  CACHESIM_INLINE bool d1_line(uint64_t address) {
    const CacheShape& d1 = shape.d1;
    const uint64_t set = (address >> d1.line_bits) & (d1.sets - 1);
    const uint64_t line = address >> d1.line_bits << d1.line_bits;
    if (line == 0) return true;  // it has no value of its own, and no program has it
    uint32_t& hint = d1_hints[(address >> d1.line_bits) & (kHints - 1)];
    auto* way = reinterpret_cast<DataWay*>(reinterpret_cast<char*>(d1_ways) + hint);
    if (way->line == line) {
      way->use = ++state.clock;
      return true;
    }
    DataWay* const ways = d1_ways + 1 + set * d1.ways;
    const uint64_t found =
        oldest(d1.ways, [ways, line](uint64_t i) { return ways[i].line == line ? ~uint64_t{0} : ways[i].use; });
    way = ways + found;
    hint = static_cast<uint32_t>(reinterpret_cast<char*>(way) - reinterpret_cast<char*>(d1_ways));
    const bool present = way->line == line;
    *way = {line, ++state.clock};
    return present;
  }

  CACHESIM_INLINE bool i1_line(uint32_t number, uint64_t address) {
    const CacheShape& i1 = shape.i1;
    const uint64_t set = (address >> i1.line_bits) & (i1.sets - 1);
    const bool present = i1_uses[number] != 0;
    i1_uses[number] = ++state.clock;
    if (present) return true;
    uint32_t* const ways = i1_ways + set * i1.ways;
    // An empty way's is 0.
    uint32_t& way = ways[oldest(i1.ways, [this, ways](uint64_t i) { return i1_uses[ways[i]]; })];
    const bool was_empty = way == 0;
    i1_uses[way] = 0;
    way = number;
    return was_empty && empty_matches(i1, address);
  }

  // The hints that say nothing name a way that no access is in.
  CACHESIM_INLINE void start() {
    constexpr uint64_t kNowhere = uint64_t{1} << 62;
    d1_ways[0].line = kNowhere;
  }

  CACHESIM_INLINE Outcome ll_line(uint64_t address, bool write) {
    const CacheShape& cache = shape.ll;
    uint64_t* set = ll + ((address >> cache.line_bits) & (cache.sets - 1));
    const uint64_t tag = address >> shape.ll_tag_shift();
    if (shape.has(kWriteBack))
      return touch_dirty(set, set + cache.sets, cache.sets, cache.ways - 1, tag << shape.ll_tag_shift(), write ? 1 : 0);
    return touch(set, set + cache.sets, cache.sets, cache.ways - 1, tag + 1, empty_matches(cache, address))
               ? Outcome::kHit
               : Outcome::kLastMiss;
  }

  // Hit: the first level had missed, LL had it.
  CACHESIM_INLINE Outcome ll_access(uint64_t address, uint64_t size, bool write) {
    Outcome outcome = ll_line(address, write);
    if (straddles(shape.ll, address, size)) {
      const Outcome second = ll_line(address + size - 1, write);
      if (second > outcome) outcome = second;
    }
    return outcome == Outcome::kHit ? Outcome::kFirstMiss : outcome;
  }

  // Three lines in a row within a 4 KiB page's stream fetch the one five lines on. With write-back Valgrind looks for
  // another tag here than anywhere else, so that what it prefetches is never hit.
  CACHESIM_INLINE void prefetch(uint64_t address) {
    const CacheShape& cache = shape.ll;
    const uint64_t stream = address >> 12 & 7;
    const auto line = static_cast<uint32_t>(address >> cache.line_bits);
    uint32_t& last = state.stream_line[stream];
    int32_t& run = state.stream_run[stream];
    if (line == last) return;
    const int32_t direction = line == last + 1 ? 1 : line == last - 1 ? -1 : 0;
    const bool goes_on = direction != 0 && (run == 0 || (run > 0) == (direction > 0));
    last = line;
    if (!goes_on) {
      run = 0;
      return;
    }
    run += direction;
    if (run > -2 && run < 2) return;
    const uint64_t ahead = address + static_cast<uint64_t>(int64_t{direction} * 5) * (uint64_t{1} << cache.line_bits);
    if (!shape.has(kWriteBack)) {
      ll_line(ahead, false);
      return;
    }
    uint64_t* set = ll + ((ahead >> cache.line_bits) & (cache.sets - 1));
    touch_exact(set, set + cache.sets, cache.sets, cache.ways - 1, ahead >> cache.line_bits);
  }

  // One data access; a modification counts as a read.
  CACHESIM_INLINE Outcome data(uint64_t address, uint64_t size, bool write) {
    const bool passes_on = write && shape.has(kWriteBack);  // writes go through to LL and make the line dirty
    if (passes_on && shape.has(kPrefetch)) prefetch(address);
    bool hit = d1_line(address);
    if (straddles(shape.d1, address, size)) hit = d1_line(address + size - 1) && hit;
    if (hit) {
      if (passes_on) ll_access(address, size, true);
      return Outcome::kHit;
    }
    if (!passes_on && shape.has(kPrefetch)) prefetch(address);
    return ll_access(address, size, write);
  }

  // One instruction; `first` and `second` are the numbers of its lines, `second` 0 if it has one line.
  CACHESIM_INLINE Outcome fetch(uint64_t address, uint64_t size, uint32_t first, uint32_t second) {
    bool hit = i1_line(first, address);
    if (second != 0 && straddles(shape.i1, address, size)) hit = i1_line(second, address + size - 1) && hit;
    if (hit) return Outcome::kHit;
    if (shape.has(kPrefetch)) prefetch(address);
    return ll_access(address, size, false);
  }
};

// Whether a conditional branch was predicted wrongly: 2-bit counters, chosen by 7 bits of history and of the address.
CACHESIM_INLINE bool mispredicts(ThreadState& state, uint64_t pc, bool taken) {
  uint8_t& counter = state.counters[(state.history & 127) << 7 | (pc & 127)];
  const bool predicted = counter >= 2;
  state.history = state.history << 1 | (taken ? 1 : 0);
  if (taken) {
    if (counter < 3) ++counter;
  } else if (counter > 0) {
    --counter;
  }
  return predicted != taken;
}

// Whether an indirect branch went elsewhere than the last one that shares the low 9 bits of its address.
CACHESIM_INLINE bool mispredicts_target(ThreadState& state, uint64_t pc, uint64_t target) {
  uint64_t& last = state.targets[pc & 511];
  const bool wrong = last != target;
  last = target;
  return wrong;
}

}  // namespace vsup::agent::cachesim
