// Purpose: what the cache and branch simulation leaves in the process's memory: one record of each instruction for all
// threads, and each thread's caches and counts in its slot. The tool's own records come before these.
// Assumes: the supervisor reads while every thread of the process stands still. Promises: plain structures.
//
//   kToolBase  +0xc000'0000  InstrRecord of each instruction, in the order of the tool's instruction lengths
//              +0xd000'0000  Descriptor[kMaxDescriptors], private to the agent
//              +0xf000'0000  uint64_t first addresses of code lines, by number from 1, private to the agent
//              +0xf400'0000  uint32_t numbers of code lines, a hash table, private to the agent
//
//   thread slot  +0x400'0000   ThreadState, private to the agent
//                +0x408'0000   uint64_t of each Event: how many there were since the thread began or was zeroed
//                +0x408'0800   SystemCallState
//                +0x409'0000   uint32_t d1_hints[kHints]
//                +0x410'0000   D1: DataWay[], set by set, behind one that is in no set
//                +0x590'0000   I1: numbers of lines, set by set
//                +0x700'0000   counters
//                +0xb00'0000   LL: way by way, so that sets that are hardly filled cost little memory
//                +0x1680'0000  I1: uint64_t of each line's number: when it was used last, 0 if it is not there
//   where the use of lines is told, of each cache the ways and then a UseRecord each, both way by way:
//                +0x410'0000   D1
//                +0x590'0000   I1
//                +0xb00'0000   LL
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::cachesim {

// AgentSettings::tool_options.
inline constexpr unsigned kFlagsOption = 40;
inline constexpr unsigned kI1Option = 41, kD1Option = 42, kLLOption = 43;  // packed CacheShape
inline constexpr unsigned kTimeUnitOption = 44;                            // nanoseconds in one of kSysTime

enum Flag : uint64_t {
  kCaches = 1,
  kBranches = 2,
  kWriteBack = 4,  // LL is write-back: misses that evict a dirty line are counted
  kPrefetch = 8,   // a stream of three lines fetches one five lines ahead into LL
  // Callgrind's rules, else cachegrind's: what reads and writes an operand counts as a write, not as a read; and of a
  // repeated cmps or scas the test of rcx branches when it ends, not when it goes on.
  kCallgrindRules = 16,
  kLineUse = 32,  // how lines are used while they are in a cache; without kWriteBack and kPrefetch
  kBus = 64,      // instructions that lock the bus
  kSystemCalls = 128,
  kSystemCpuTime = 256,  // of system calls, too, in nanoseconds
};

struct CacheShape {
  uint32_t sets = 1;  // a power of two
  uint32_t ways = 1;
  uint32_t line_bits = 6;

  constexpr uint64_t pack() const { return sets | uint64_t{ways} << 32 | uint64_t{line_bits} << 56; }
  static constexpr CacheShape unpack(uint64_t packed) {
    return {static_cast<uint32_t>(packed), static_cast<uint32_t>(packed >> 32) & 0xff'ffff,
            static_cast<uint32_t>(packed >> 56)};
  }
};

inline constexpr uint64_t kInstrsAt = protocol::kToolBase + 0xc000'0000;
inline constexpr uint64_t kDescriptorsAt = protocol::kToolBase + 0xd000'0000;
inline constexpr uint64_t kLinesAt = protocol::kToolBase + 0xf000'0000;
inline constexpr uint64_t kLineNumbersAt = protocol::kToolBase + 0xf400'0000;
inline constexpr uint32_t kMaxInstrs = 32u << 20;
inline constexpr uint32_t kMaxDescriptors = 16u << 20;
inline constexpr uint32_t kMaxLines = 4u << 20;
inline constexpr uint32_t kLineBuckets = 16u << 20;
static_assert(kDescriptorsAt + 24ull * kMaxDescriptors <= kLinesAt && kLinesAt + 8ull * kMaxLines <= kLineNumbersAt);
static_assert(kLineNumbersAt + 4ull * kLineBuckets <= protocol::kToolBase + protocol::kToolSize);

inline constexpr uint32_t kStateOffset = 0x400'0000;
inline constexpr uint32_t kTotalsOffset = 0x408'0000;
inline constexpr uint32_t kD1HintsOffset = 0x409'0000;
inline constexpr uint32_t kD1WaysOffset = 0x410'0000;
inline constexpr uint32_t kI1WaysOffset = 0x590'0000;
inline constexpr uint32_t kCountersOffset = 0x700'0000;
inline constexpr uint32_t kLLOffset = 0xb00'0000;
inline constexpr uint32_t kSimulationEnd = 0x1880'0000;
inline constexpr uint32_t kMaxCounters = (kLLOffset - kCountersOffset) / 8;
inline constexpr uint32_t kI1UsesOffset = kSimulationEnd - 8 * kMaxLines;
static_assert(kSimulationEnd + 0x10'0000ull <= protocol::kSlotSize);

// A line in D1. The ways of a set are in no order: the line that was used last longest ago goes.
struct DataWay {
  uint64_t line;  // its address; 0: the way is empty
  uint64_t use;   // when it was used last (ThreadState::clock)
};
// Where in D1 a line may be: the distance of a way from kD1WaysOffset, by the low bits of the line's number. Whatever
// it says, the way tells which line is there; those that are empty are never named.
inline constexpr unsigned kHintBits = 14;
inline constexpr uint32_t kHints = 1u << kHintBits;
static_assert(kD1HintsOffset + 4 * kHints <= kD1WaysOffset);

// Whether each cache has room.
constexpr bool fits(const CacheShape& i1, const CacheShape& d1, const CacheShape& ll) {
  return (uint64_t{d1.sets} * d1.ways + 1) * sizeof(DataWay) <= kI1WaysOffset - kD1WaysOffset &&
         uint64_t{i1.sets} * i1.ways * 4 <= kCountersOffset - kI1WaysOffset &&
         uint64_t{ll.sets} * ll.ways * 8 <= kI1UsesOffset - kLLOffset;
}

// In callgrind's order.
enum Event : uint8_t {
  // clang-format off
  kIr, kDr, kDw, kI1mr, kD1mr, kD1mw, kILmr, kDLmr, kDLmw, kILdmr, kDLdmr, kDLdmw, kBc, kBcm, kBi, kBim,
  kAcCost1, kSpLoss1, kAcCost2, kSpLoss2, kGe, kSysCount, kSysTime, kSysCpuTime,
  // clang-format on
  kEventCount,
};

// What has to be asked for to have the event.
constexpr uint64_t flags_for(unsigned event) {
  if (event == kSysCpuTime) return kSystemCalls | kSystemCpuTime;
  if (event >= kSysCount) return kSystemCalls;
  if (event == kGe) return kBus;
  if (event >= kAcCost1) return kCaches | kLineUse;
  if (event >= kBc) return kBranches;
  return event >= kILdmr ? kCaches | kWriteBack : uint64_t{kCaches};
}

// The events beside Ir that are counted with these flags, in order. Calls have no costs in those of line use: nobody
// pays before a line is replaced.
struct EventList {
  unsigned count = 0;
  Event events[kEventCount] = {};
};
constexpr EventList simulated_events(uint64_t flags) {
  EventList list;
  for (unsigned event = kDr; event < kEventCount; ++event)
    if ((flags & flags_for(event)) == flags_for(event)) list.events[list.count++] = static_cast<Event>(event);
  return list;
}

// Groups of counters that an instruction has, in this order, from InstrRecord::first_counter on.
enum Group : uint8_t {
  kFetchGroup = 1,      // 3: misses in I1, in LL, evictions of dirty lines
  kReadGroup = 2,       // 3: likewise
  kWriteGroup = 4,      // 3: likewise
  kConditional = 8,     // 1: mispredicted
  kIndirect = 16,       // 1: mispredicted
  kVariableGroup = 32,  // 4: Ir beyond one an execution, Dr, Dw, Bc
  kUseGroup = 64,       // 4: of the lines that it loaded
  kCallGroup = 128,     // 3: of a system call: made, time, processor time
};

struct GroupShape {
  uint8_t bit;
  uint8_t counters;
  Event events[4];
};
inline constexpr GroupShape kGroups[] = {
    {kFetchGroup, 3, {kI1mr, kILmr, kILdmr}},
    {kReadGroup, 3, {kD1mr, kDLmr, kDLdmr}},
    {kWriteGroup, 3, {kD1mw, kDLmw, kDLdmw}},
    {kConditional, 1, {kBcm}},
    {kIndirect, 1, {kBim}},
    {kVariableGroup, 4, {kIr, kDr, kDw, kBc}},
    {kUseGroup, 4, {kAcCost1, kSpLoss1, kAcCost2, kSpLoss2}},
    {kCallGroup, 3, {kSysCount, kSysTime, kSysCpuTime}},
};

inline constexpr uint32_t kMostCounters = 22;  // of one instruction

// How a line is used that is in a cache.
struct UseRecord {
  uint32_t count;  // accesses
  uint32_t mask;   // which 32nds of it were accessed
  uint32_t owner;  // index + 1 of the kUseGroup of the instruction that loaded it, 0: nobody
  uint32_t below;  // of a first level's line: the index of LL's record of it
};

inline constexpr uint32_t kD1UsedOffset = kD1WaysOffset;
inline constexpr uint32_t kI1UsedOffset = kI1WaysOffset;

constexpr uint64_t used_size(const CacheShape& cache) {
  return uint64_t{cache.sets} * cache.ways * (8 + sizeof(UseRecord));
}
constexpr bool fits_with_use(const CacheShape& i1, const CacheShape& d1, const CacheShape& ll) {
  const auto numbered = [](const CacheShape& cache) {  // a way's bits below the tag
    return cache.ways <= uint64_t{cache.sets} << cache.line_bits;
  };
  return used_size(i1) <= kCountersOffset - kI1UsedOffset && used_size(d1) <= kI1UsedOffset - kD1UsedOffset &&
         used_size(ll) <= kSimulationEnd - kLLOffset && numbered(i1) && numbered(d1) && numbered(ll);
}

// What the owner pays for a line that is replaced: little for many accesses; bytes that nobody accessed.
constexpr uint64_t access_cost(const UseRecord& record) {
  return 1000 / record.count;
}
constexpr uint64_t spatial_loss(const UseRecord& record, uint32_t line_size) {
  unsigned unused = 32;
  for (uint32_t mask = record.mask; mask != 0; mask &= mask - 1) --unused;
  return uint64_t{unused} * line_size >> 5;
}

// Where the thread is with a system call.
struct SystemCallState {
  uint64_t site;              // set before the instruction: number + 1 of its first counter, of its block in no context
  uint64_t open;              // while the call is made: the same in its context; 0: none is, or none that counts
  uint64_t start, cpu_start;  // in nanoseconds
};
inline constexpr uint32_t kSystemCallOffset = kTotalsOffset + 0x800;
static_assert(8 * kEventCount <= 0x800 && kSystemCallOffset + sizeof(SystemCallState) <= kD1HintsOffset);

struct InstrRecord {
  uint32_t first_counter;  // index into the thread's counters; of those that have groups
  uint8_t groups;          // Group
  uint8_t reads, writes;   // accesses of each execution
  uint8_t branches : 7;    // conditional ones of each execution; an indirect one is in the groups
  uint8_t locks : 1;       // the bus, at each execution
};
static_assert(sizeof(InstrRecord) == 8);

// Calls add(event, amount) for what each execution of the instruction counts, whatever caches and predictors make of
// it; Ir beside.
template <typename Add>
constexpr void for_each_execution(const InstrRecord& record, Add add) {
  add(kDr, record.reads);
  add(kDw, record.writes);
  add(kBc, record.branches);
  add(kBi, (record.groups & kIndirect) != 0 ? 1u : 0u);
  add(kGe, record.locks);
}

}  // namespace vsup::agent::cachesim
