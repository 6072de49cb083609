// Purpose: the simulated caches where the use of each line is told (--cacheuse=yes), as Valgrind 3.19's callgrind has
// them: how often a line was accessed and which of its bytes, from when it was loaded to when it is replaced; the
// instruction that loaded it pays for a few accesses and for bytes that nobody touched.
// Assumes: memory that was zero at first. Promises: pure; freestanding and hosted.
#pragma once

#include "agent/tools/cachesim/models.h"

namespace vsup::agent::cachesim {

// A way holds its line's tag and, in the bits below, which UseRecord of its set is the line's. Valgrind begins with tag
// 0 and the records in order; here a way is that, exclusive or its place, so that memory begins with zeros.
class UsedCache {
 public:
  CACHESIM_INLINE UsedCache(const CacheShape& shape, uint64_t* ways)
      : shape_(shape),
        ways_(ways),
        records_(reinterpret_cast<UseRecord*>(ways + uint64_t{shape.sets} * shape.ways)),
        tag_mask_(~uint64_t{0} << shape.line_bits << __builtin_ctz(shape.sets)) {}

  CACHESIM_INLINE uint64_t set_of(uint64_t address) const { return (address >> shape_.line_bits) & (shape_.sets - 1); }
  CACHESIM_INLINE UseRecord& record(uint64_t index) const { return records_[index]; }
  CACHESIM_INLINE uint32_t line_size() const { return 1u << shape_.line_bits; }

  // Makes the line the last used of its set. Returns whether it was there, and the index of its record.
  CACHESIM_INLINE bool touch(uint64_t address, uint64_t& index) const {
    const uint64_t set = set_of(address), tag = address & tag_mask_;
    uint64_t* const first = ways_ + set;
    uint64_t carried = *first;
    bool hit = (carried & tag_mask_) == tag;
    uint64_t* way = first;
    for (uint32_t place = 1; !hit && place < shape_.ways; ++place) {
      way += shape_.sets;
      const uint64_t here = *way ^ place;
      *way = carried ^ place;
      carried = here;
      hit = (carried & tag_mask_) == tag;
    }
    const uint64_t number = carried & ~tag_mask_;
    *first = tag | number;
    index = number * shape_.sets + set;
    return hit;
  }

  // A bit for each 32nd of a line: those of the bytes from `first` to `last`, offsets within a line.
  CACHESIM_INLINE uint32_t mask(uint64_t first, uint64_t last) const {
    const unsigned bytes_a_bit = shape_.line_bits - 5;
    const uint64_t low = (first & (line_size() - 1)) >> bytes_a_bit, high = (last & (line_size() - 1)) >> bytes_a_bit;
    return ~uint32_t{0} << low & ~uint32_t{0} >> (31 - high);
  }

 private:
  const CacheShape& shape_;
  uint64_t* ways_;
  UseRecord* records_;
  uint64_t tag_mask_;
};

// Of a thread.
struct UsedCaches {
  UsedCache i1, d1, ll;
  uint64_t* counters;  // of the thread's instructions, null when nothing is counted now

  static CACHESIM_INLINE UsedCaches of_slot(const Configuration& shape, uint64_t slot, bool counts) {
    const auto at = [slot](uint32_t offset) { return reinterpret_cast<uint64_t*>(slot + offset); };
    return {{shape.i1, at(kI1UsedOffset)},
            {shape.d1, at(kD1UsedOffset)},
            {shape.ll, at(kLLOffset)},
            counts ? at(kCountersOffset) : nullptr};
  }

  // `owner`: the first counter of the instruction's kUseGroup, plus 1.
  CACHESIM_INLINE Outcome access(const UsedCache& cache, uint64_t address, uint64_t size, uint32_t owner) {
    const uint64_t last = address + size - 1;
    if (cache.set_of(address) == cache.set_of(last)) return line(cache, address, cache.mask(address, last), owner);
    const Outcome first = line(cache, address, cache.mask(address, ~uint64_t{0}), owner);
    const Outcome second = line(cache, last, cache.mask(0, last), owner);
    if (second == Outcome::kHit) return first;
    return first == Outcome::kLastMiss ? first : second;
  }

 private:
  CACHESIM_INLINE Outcome line(const UsedCache& cache, uint64_t address, uint32_t mask, uint32_t owner) {
    uint64_t index;
    const bool hit = cache.touch(address, index);
    UseRecord& record = cache.record(index);
    if (hit) {
      ++record.count;
      record.mask |= mask;
      return Outcome::kHit;
    }
    if (counters != nullptr && record.count > 0 && record.owner != 0) {
      pay(counters + record.owner - 1, record, cache.line_size());
      UseRecord& below = ll.record(record.below);
      below.mask |= record.mask;
      below.count += record.count;
    }
    uint64_t below;
    const bool ll_hit = ll.touch(address & ~uint64_t{cache.line_size() - 1}, below);
    record = {.count = 1, .mask = mask, .owner = owner, .below = static_cast<uint32_t>(below)};
    if (ll_hit) return Outcome::kFirstMiss;
    UseRecord& loaded = ll.record(below);
    if (counters != nullptr && loaded.count > 0 && loaded.owner != 0)
      pay(counters + loaded.owner - 1 + 2, loaded, ll.line_size());
    loaded = {.count = 0, .mask = 0, .owner = owner, .below = 0};
    return Outcome::kLastMiss;
  }

  // AcCost and SpLoss.
  static CACHESIM_INLINE void pay(uint64_t* counters, const UseRecord& record, uint32_t line_size) {
    counters[0] += access_cost(record);
    counters[1] += spatial_loss(record, line_size);
  }
};

}  // namespace vsup::agent::cachesim
