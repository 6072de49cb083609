// Purpose: what the massif tool leaves in the process's memory for the supervisor: the totals, the live bytes of each
// stack, the snapshots. Assumes: the supervisor reads while every thread of the process stands still. Promises: plain
// structures; a process that is killed leaves them complete.
//
//   kToolBase  +0x0000'0000  Header, Snapshot[kMaxSnapshots]
//              +0x0800'0000  uint8_t whether stack i counts, with kOptionIgnore
//              +0x1000'0000  uint64_t live bytes of stack i, and flags
//              +0x3000'0000  uint64_t bytes that stack i ever allocated, with kOptionTotals
//              +0x5000'0000  uint32_t the stacks that ever had any, in the order of their first
//              +0x6000'0000  uint32_t the stacks whose bytes have changed since the last detailed snapshot
//              +0x7000'0000  two logs of changes, one of them in use
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::massif {

inline constexpr uint64_t kToolBase = protocol::kToolBase;
inline constexpr uint64_t kVerdictsAt = kToolBase + 0x800'0000;
inline constexpr uint64_t kLiveAt = kToolBase + 0x1000'0000;
inline constexpr uint64_t kTotalsAt = kToolBase + 0x3000'0000;
inline constexpr uint64_t kSeenStacksAt = kToolBase + 0x5000'0000;
inline constexpr uint64_t kChangedStacksAt = kToolBase + 0x6000'0000;
inline constexpr uint64_t kLogSize = 0x4800'0000;
inline constexpr uint64_t kLogAt[2] = {kToolBase + 0x7000'0000, kToolBase + 0x7000'0000 + kLogSize};
static_assert(kLogAt[1] + kLogSize == kToolBase + protocol::kToolSize);
// In the table of live bytes: the stack has allocated. With no bytes left it still counts as a place.
inline constexpr uint64_t kSeen = uint64_t{1} << 63;
// Agent private: it is in the list at kChangedStacksAt; by the log it has bytes; two for the shortening of the log.
inline constexpr uint64_t kChanged = uint64_t{1} << 62, kLogged = uint64_t{1} << 61, kPassed = uint64_t{1} << 60,
                          kCopied = uint64_t{1} << 59;
inline constexpr uint64_t kLiveBytes = kCopied - 1;
inline constexpr uint32_t kMaxStacks = 64u << 20;
static_assert(kVerdictsAt + kMaxStacks <= kLiveAt);
static_assert(kLiveAt + 8ull * kMaxStacks <= kTotalsAt && kTotalsAt + 8ull * kMaxStacks <= kSeenStacksAt);
static_assert(kSeenStacksAt + 4ull * kMaxStacks <= kChangedStacksAt &&
              kChangedStacksAt + 4ull * kMaxStacks <= kLogAt[0]);
inline constexpr uint32_t kMaxSnapshots = 1000;

// AgentSettings::tool_options.
enum Option : unsigned {
  kOptionHeap,            // 1: --heap=yes
  kOptionHeapAdmin,       // bytes
  kOptionDepth,           // frames to capture
  kOptionPeakInaccuracy,  // in millionths of a percent
  kOptionTimeUnit,        // TimeUnit
  kOptionDetailedFreq,    // every so many
  kOptionMaxSnapshots,    // 10 to kMaxSnapshots
  kOptionTicksPerSecond,  // of the time stamp counter
  kOptionPages,           // 1: --pages-as-heap=yes
  kOptionStacks,          // 1: --stacks=yes
  kOptionIgnore,          // 1: allocations of NamedCode of the kind kNamedIgnored do not count
  kOptionTotals,          // 1: count what each stack ever allocated
};

enum TimeUnit : uint64_t { kTimeInstructions, kTimeMilliseconds, kTimeBytes };

enum SnapshotKind : uint32_t { kSnapshotUnused, kSnapshotNormal, kSnapshotPeak };

struct Snapshot {
  SnapshotKind kind;
  uint32_t detailed;  // 1: the changes up to log_end[Header::log] are what it is made of
  uint64_t time;
  uint64_t heap_bytes, extra_bytes, stack_bytes;
  uint64_t moment;      // agent private: the time, in ticks where it is given in milliseconds
  uint64_t log_end[2];  // by log
  uint64_t seen;        // stacks that had been seen
};
static_assert(sizeof(Snapshot) == 72);

// From here on the stack has these bytes.
struct [[gnu::packed, gnu::aligned(4)]] Change {
  uint32_t stack;
  uint64_t bytes;
};
static_assert(sizeof(Change) == 12);
inline constexpr uint64_t kMaxChanges = kLogSize / sizeof(Change);

// In a thread's slot: instructions executed that are not in Header::instructions yet.
inline constexpr uint32_t kInstructionsOffset = 0x10'0000;
// What is known of the thread's stack: ThreadStack.
inline constexpr uint32_t kThreadStackOffset = kInstructionsOffset + 8;

struct Header {
  uint64_t heap_bytes, extra_bytes, stack_bytes;  // now
  uint64_t instructions;                          // executed, of each thread up to its last call of the heap's
  uint64_t moved_bytes;                           // allocated and freed, the time for kTimeBytes
  uint64_t peak_bytes;                            // of the last peak snapshot, all kinds together
  uint64_t peak_limit;                            // above this a peak is worth a snapshot
  uint64_t earliest;                              // bytes or ticks before which no normal snapshot is taken
  uint64_t interval;                              // between normal ones
  uint64_t since_detailed;
  uint64_t seen_count;  // of stacks that ever had bytes
  uint64_t start_ticks;
  uint64_t cut_details;   // changes that found no room
  uint64_t log_count[2];  // of each log
  uint64_t changed_count;
  uint64_t long_log;  // agent private: it is worth while to shorten one from here on
  uint32_t snapshot_count;
  uint32_t log;  // which is in use
};
inline constexpr uint64_t kSnapshotsAt = kToolBase + 0x1000;
static_assert(sizeof(Header) <= 0x1000);

}  // namespace vsup::agent::massif
