#include "agent/tools/massif/snapshots.h"

#include "agent/base/settings.h"
#include "agent/base/ticks.h"
#include "agent/heap/heap_lock.h"
#include "agent/tools/massif/changes.h"

namespace vsup::agent::massif {

namespace {

constexpr uint64_t kNever = ~uint64_t{0} >> 1;

HeapLock lock;

uint64_t option(Option which) {
  return vsup_settings.tool_options[which];
}

// Bytes, or ticks since the start, which are cheap to compare; snapshots have milliseconds.
uint64_t now() {
  Header& records = header();
  if (option(kOptionTimeUnit) == kTimeBytes) return __atomic_load_n(&records.moved_bytes, __ATOMIC_RELAXED);
  if (option(kOptionTimeUnit) == kTimeInstructions) return __atomic_load_n(&records.instructions, __ATOMIC_RELAXED);
  return ticks() - records.start_ticks;
}

uint64_t scale() {
  if (option(kOptionTimeUnit) != kTimeMilliseconds) return 1;
  uint64_t per_millisecond = option(kOptionTicksPerSecond) / 1000;
  return per_millisecond == 0 ? 1 : per_millisecond;
}

Snapshot* snapshots() {
  return reinterpret_cast<Snapshot*>(kSnapshotsAt);
}
uint32_t max_snapshots() {
  uint64_t most = option(kOptionMaxSnapshots);
  return most > kMaxSnapshots ? kMaxSnapshots : static_cast<uint32_t>(most);
}

bool in_use(uint32_t index) {
  return snapshots()[index].kind != kSnapshotUnused;
}

// The first one at or after `index` that is in use, or the end.
uint32_t used_from(uint32_t index, uint32_t end) {
  while (index < end && !in_use(index)) ++index;
  return index;
}

// Drops the one whose neighbours are closest to each other; the first, the last and the peak stay.
void drop_least(uint32_t end) {
  uint32_t before = 0, least = end;
  uint64_t least_span = kNever;
  uint32_t at = used_from(1, end);
  for (uint32_t after = used_from(at + 1, end); after < end; after = used_from(after + 1, end)) {
    uint64_t span = snapshots()[after].moment - snapshots()[before].moment;
    if (snapshots()[at].kind != kSnapshotPeak && span < least_span) {
      least_span = span;
      least = at;
    }
    before = at;
    at = after;
  }
  if (least != end) snapshots()[least] = {};
}

// Keeps half of a full table. Returns the least time between two neighbours one of which could have been dropped.
uint64_t cull() {
  Header& records = header();
  uint32_t end = records.snapshot_count;
  for (uint32_t i = 0; i < max_snapshots() / 2; ++i) drop_least(end);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < end; ++i) {
    if (!in_use(i)) continue;
    if (kept != i) {
      snapshots()[kept] = snapshots()[i];
      snapshots()[i] = {};
    }
    ++kept;
  }
  records.snapshot_count = kept;
  auto stays = [kept](uint32_t i) { return i == 0 || i == kept - 1 || snapshots()[i].kind == kSnapshotPeak; };
  uint64_t interval = kNever;
  for (uint32_t i = 1; i < kept; ++i) {
    if (stays(i) && stays(i - 1)) continue;
    uint64_t span = snapshots()[i].moment - snapshots()[i - 1].moment;
    if (span < interval) interval = span;
  }
  if (interval == kNever) return 0;
  // As massif has them, which keeps 32 bits.
  return option(kOptionTimeUnit) != kTimeMilliseconds ? static_cast<uint32_t>(interval) : interval;
}

void take(SnapshotKind kind, uint64_t time, bool detailed) {
  Header& records = header();
  if (records.snapshot_count >= kMaxSnapshots) return;
  Snapshot fresh{.kind = kind,
                 .detailed = detailed ? 1u : 0u,
                 .time = time / scale(),
                 .heap_bytes = records.heap_bytes,
                 .extra_bytes = records.extra_bytes,
                 .stack_bytes = records.stack_bytes,
                 .moment = time,
                 .log_end = {},
                 .seen = records.seen_count};
  if (detailed) {
    shorten_log();
    fresh.log_end[records.log] = log_changes();
  }
  records.since_detailed = detailed ? 0 : records.since_detailed + 1;
  if (kind == kSnapshotPeak) {
    records.peak_bytes = fresh.heap_bytes + fresh.extra_bytes + fresh.stack_bytes;
    // In two factors, or the product would not fit.
    uint64_t inaccuracy = option(kOptionPeakInaccuracy);
    uint64_t excess =
        records.peak_bytes / 100'000'000 * inaccuracy + records.peak_bytes % 100'000'000 * inaccuracy / 100'000'000;
    __atomic_store_n(&records.peak_limit, records.peak_bytes + excess, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < records.snapshot_count; ++i)
      if (snapshots()[i].kind == kSnapshotPeak) snapshots()[i].kind = kSnapshotNormal;
  }
  snapshots()[records.snapshot_count++] = fresh;
  if (records.snapshot_count == max_snapshots()) records.interval = cull();
  __atomic_store_n(&records.earliest, time + records.interval, __ATOMIC_RELAXED);
}

uint64_t total() {
  Header& records = header();
  return __atomic_load_n(&records.heap_bytes, __ATOMIC_RELAXED) +
         __atomic_load_n(&records.extra_bytes, __ATOMIC_RELAXED) +
         __atomic_load_n(&records.stack_bytes, __ATOMIC_RELAXED);
}

// The clock takes longer to read than all else that is counted of an event, so where events come fast and the next
// snapshot is far, most do not look at it. One that comes by this is late by as many events at most.
constexpr uint32_t kUnseenEvents = 15;
constexpr uint64_t kFar = 64;  // times as long as since the last look
uint32_t unseen;               // events that need not look
uint64_t last_look;

bool may_be_early() {
  uint32_t left = __atomic_load_n(&unseen, __ATOMIC_RELAXED);
  if (left != 0) __atomic_store_n(&unseen, left - 1, __ATOMIC_RELAXED);
  return left != 0;
}

void look_again(uint64_t time, uint64_t earliest) {
  if (option(kOptionTimeUnit) != kTimeMilliseconds) return;
  uint64_t last = __atomic_load_n(&last_look, __ATOMIC_RELAXED);
  __atomic_store_n(&last_look, time, __ATOMIC_RELAXED);
  if (time > last && (earliest - time) / kFar > time - last) __atomic_store_n(&unseen, kUnseenEvents, __ATOMIC_RELAXED);
}

}  // namespace

void note_change(uint32_t stack) {
  HeapLockGuard guard(lock);
  list_changed(stack);
}

void start_snapshots() {
  header().start_ticks = ticks();
  take(kSnapshotNormal, 0, option(kOptionDetailedFreq) == 1);
}

void maybe_normal() {
  Header& records = header();
  if (may_be_early()) return;
  uint64_t time = now();
  uint64_t earliest = __atomic_load_n(&records.earliest, __ATOMIC_RELAXED);
  if (time < earliest) return look_again(time, earliest);
  HeapLockGuard guard(lock);
  if (time < records.earliest) return;
  take(kSnapshotNormal, time, records.since_detailed + 1 == option(kOptionDetailedFreq));
}

void maybe_peak() {
  Header& records = header();
  if (total() <= __atomic_load_n(&records.peak_limit, __ATOMIC_RELAXED)) return;
  uint64_t time = now();
  HeapLockGuard guard(lock);
  if (total() <= records.peak_limit) return;
  take(kSnapshotPeak, time, true);
}

uint64_t room_below_peak() {
  uint64_t used = total();
  uint64_t limit = __atomic_load_n(&header().peak_limit, __ATOMIC_RELAXED);
  return limit > used ? limit - used : 0;
}

void lock_snapshots() {
  lock.lock();
}
void unlock_snapshots() {
  lock.unlock();
}

}  // namespace vsup::agent::massif
