// Purpose: what the simulation keeps in the agent and in the tool's region, for the code that makes and runs it.
// Assumes: the engine lock is held where something is added.
#pragma once

#include "agent/tools/cachesim/accesses.h"
#include "agent/tools/cachesim/models.h"
#include "agent/tools/cachesim/use_model.h"

namespace vsup::agent::cachesim {

// The first five are numbered as kGroups.
enum class Kind : uint8_t { kFetch, kRead, kWrite, kConditional, kIndirect, kRepetition };

// What the slow path must know of one place in inserted code.
struct Descriptor {
  uint64_t address;      // of the instruction
  uint32_t counter;      // the first of its group
  uint32_t first_line;   // kFetch: numbers of its lines, second_line 0 if it has one
  uint32_t second_line;  // with kLineUse: of all kinds, the owner of lines that it loads
  uint16_t size;         // of the instruction, of the access
  Kind kind;
  uint8_t conditional_counter;  // kRepetition: Bcm's, from `counter` on
};

// What inserted code leaves in ThreadState::descriptor: a descriptor's number; or all there is to know of a data
// access, or, beside ThreadState::line, of a plain fetch of one line, so that no memory must be read that was not used
// for long.
struct PackedAccess {
  static constexpr uint32_t kMark = 1u << 31, kWrite = 1u << 30, kFetch = 1u << 30, kSizeShift = 23, kMostSize = 127;

  uint32_t bits;

  static constexpr bool fits(uint32_t size) { return size <= kMostSize; }
  static constexpr uint32_t pack(uint32_t counter, uint32_t size, bool write) {
    return kMark | (write ? kWrite : 0) | size << kSizeShift | counter;
  }
  static_assert(kMaxCounters <= 1u << kSizeShift && kMaxDescriptors <= kFetch);

  static constexpr uint32_t pack_fetch(uint32_t counter, uint32_t size) {
    return kFetch | size << kSizeShift | counter;
  }

  constexpr bool is_fetch() const { return (bits & (kMark | kFetch)) == kFetch; }
  constexpr bool marked() const { return (bits & kMark) != 0; }
  constexpr bool write() const { return (bits & kWrite) != 0; }
  constexpr uint32_t size() const { return bits >> kSizeShift & kMostSize; }
  constexpr uint32_t counter() const { return bits & ((1u << kSizeShift) - 1); }
};

// The accesses of one round of a string instruction, packed into Descriptor::first_line.
struct Round {
  bool reads_source, reads_destination, writes_destination;
  bool address32;
  Segment source_segment;
  Repetition repetition;
  uint8_t length;                 // of the instruction
  uint8_t miss_read, miss_write;  // their groups' first counters, from Descriptor::counter on

  uint32_t pack() const {
    return (reads_source ? 1u : 0u) | (reads_destination ? 2u : 0u) | (writes_destination ? 4u : 0u) |
           (address32 ? 8u : 0u) | static_cast<uint32_t>(source_segment) << 4 | static_cast<uint32_t>(repetition) << 8 |
           uint32_t{length} << 12 | uint32_t{miss_read} << 16 | uint32_t{miss_write} << 24;
  }
  static Round unpack(uint32_t packed) {
    return {(packed & 1) != 0,
            (packed & 2) != 0,
            (packed & 4) != 0,
            (packed & 8) != 0,
            static_cast<Segment>(packed >> 4 & 15),
            static_cast<Repetition>(packed >> 8 & 15),
            static_cast<uint8_t>(packed >> 12 & 15),
            static_cast<uint8_t>(packed >> 16),
            static_cast<uint8_t>(packed >> 24)};
  }
};

#pragma GCC visibility push(hidden)
extern Configuration configuration;
#pragma GCC visibility pop

CACHESIM_INLINE Descriptor* descriptors() {
  return reinterpret_cast<Descriptor*>(kDescriptorsAt);
}
static_assert(sizeof(Descriptor) == 24);

CACHESIM_INLINE uint64_t* totals_of(const protocol::ThreadContext& ctx) {
  return reinterpret_cast<uint64_t*>(ctx.self + kTotalsOffset);
}

// Whether what happens in the thread now is counted.
CACHESIM_INLINE bool counts(const protocol::ThreadContext& ctx) {
  return configuration.collect_offset == 0 ||
         *reinterpret_cast<const uint64_t*>(ctx.self + configuration.collect_offset) != 0;
}

// What is added to the numbers of counters of the block that the thread executes.
CACHESIM_INLINE uint64_t counters_moved(const protocol::ThreadContext& ctx) {
  return configuration.moved_offset == 0 ? 0
                                         : *reinterpret_cast<const uint64_t*>(ctx.self + configuration.moved_offset);
}
CACHESIM_INLINE uint64_t* counters_of(const protocol::ThreadContext& ctx, const Descriptor& place) {
  return reinterpret_cast<uint64_t*>(ctx.self + kCountersOffset) + place.counter + counters_moved(ctx);
}
CACHESIM_INLINE uint32_t owner_of(const protocol::ThreadContext& ctx, const Descriptor& place) {
  // What is not counted has no context.
  if (configuration.moved_offset != 0 && !counts(ctx)) return 0;
  return place.second_line + static_cast<uint32_t>(counters_moved(ctx));
}

// An access, or the fetch of its `length` bytes, of the instruction that `place` tells of.
CACHESIM_INLINE Outcome access_data(const protocol::ThreadContext& ctx, const Descriptor& place, uint64_t address,
                                    bool write) {
  if (!configuration.has(kLineUse)) return Caches::of_slot(configuration, ctx.self).data(address, place.size, write);
  UsedCaches caches = UsedCaches::of_slot(configuration, ctx.self, counts(ctx));
  return caches.access(caches.d1, address, place.size, owner_of(ctx, place));
}
CACHESIM_INLINE Outcome fetch(const protocol::ThreadContext& ctx, const Descriptor& place, uint32_t length) {
  if (!configuration.has(kLineUse))
    return Caches::of_slot(configuration, ctx.self).fetch(place.address, length, place.first_line, place.second_line);
  UsedCaches caches = UsedCaches::of_slot(configuration, ctx.self, counts(ctx));
  return caches.access(caches.i1, place.address, length, owner_of(ctx, place));
}

// The number of the line of code that holds an address, from 1 on; 0 when there are too many.
uint32_t line_number(uint64_t address);

// One round after the other, before the instruction runs.
void simulate_repetition(const protocol::ThreadContext& ctx, const Descriptor& place);

}  // namespace vsup::agent::cachesim
