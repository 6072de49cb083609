#include "agent/tools/massif/changes.h"

#include "agent/base/syscall.h"
#include "agent/heap/heap_alone.h"
#include "agent/tools/massif/snapshots.h"

namespace vsup::agent::massif {

namespace {

// A shorter one is left alone.
constexpr uint64_t kLeastLong = 1 << 18;

uint32_t* changed_stacks() {
  return reinterpret_cast<uint32_t*>(kChangedStacksAt);
}
Change* log_at(uint32_t which) {
  return reinterpret_cast<Change*>(kLogAt[which]);
}

bool has_flag(uint32_t stack, uint64_t flag) {
  return (__atomic_load_n(&live()[stack], __ATOMIC_RELAXED) & flag) != 0;
}
void set_flag(uint32_t stack, uint64_t flag) {
  __atomic_fetch_or(&live()[stack], flag, __ATOMIC_RELAXED);
}
void clear_flag(uint32_t stack, uint64_t flag) {
  __atomic_fetch_and(&live()[stack], ~flag, __ATOMIC_RELAXED);
}

// Takes it off the list; what it was.
uint64_t take_off(uint32_t stack) {
  uint64_t& held = live()[stack];
  uint64_t word = __atomic_load_n(&held, __ATOMIC_RELAXED), next;
  do {
    next = (word & kLiveBytes) == 0 ? word & ~(kChanged | kLogged) : (word & ~kChanged) | kLogged;
    if (!heap_alone()) continue;
    held = next;
    break;
  } while (!__atomic_compare_exchange_n(&held, &word, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return word;
}

// The last change of each stack in a part of `from`, behind `count` entries of `to`; not that it holds nothing where it
// held nothing before. Returns their new number.
uint64_t copy_last(const Change* from, uint64_t begin, uint64_t end, Change* to, uint64_t count) {
  uint64_t copied = count;
  for (uint64_t i = end; i-- > begin;) {
    if (has_flag(from[i].stack, kPassed)) continue;
    set_flag(from[i].stack, kPassed);
    to[copied++] = from[i];
  }
  for (uint64_t i = count; i < copied; ++i) {
    const Change change = to[i];
    clear_flag(change.stack, kPassed);
    if (change.bytes != 0) {
      set_flag(change.stack, kCopied);
    } else if (has_flag(change.stack, kCopied)) {
      clear_flag(change.stack, kCopied);
    } else {
      continue;
    }
    to[count++] = change;
  }
  return count;
}

}  // namespace

void list_changed(uint32_t stack) {
  Header& records = header();
  uint64_t before = __atomic_fetch_or(&live()[stack], kSeen | kChanged, __ATOMIC_RELAXED);
  if ((before & kSeen) == 0) reinterpret_cast<uint32_t*>(kSeenStacksAt)[records.seen_count++] = stack;
  if ((before & kChanged) == 0) changed_stacks()[records.changed_count++] = stack;
}

uint64_t log_changes() {
  constexpr uint64_t kAhead = 16;  // behind the end of the list there are others or zeros
  Header& records = header();
  Change* log = log_at(records.log);
  uint32_t* changed = changed_stacks();
  uint64_t count = records.log_count[records.log], left = 0;
  for (uint64_t i = 0; i < records.changed_count; ++i) {
    __builtin_prefetch(&live()[changed[i + kAhead]], 1);
    uint32_t stack = changed[i];
    if (count == kMaxChanges) [[unlikely]] {
      changed[left++] = stack;
      continue;
    }
    uint64_t word = take_off(stack);
    if ((word & (kLiveBytes | kLogged)) != 0) log[count++] = {stack, word & kLiveBytes};
  }
  records.changed_count = left;
  records.cut_details += left;
  records.log_count[records.log] = count;
  return count;
}

void shorten_log() {
  Header& records = header();
  const uint32_t from = records.log, to = 1 - from;
  const uint64_t all = records.log_count[from];
  if (all < kLeastLong || all < records.long_log) return;
  uint64_t begin = 0, count = 0;
  for (uint32_t i = 0; i < records.snapshot_count; ++i) {
    Snapshot& snapshot = reinterpret_cast<Snapshot*>(kSnapshotsAt)[i];
    if (snapshot.detailed == 0) continue;
    count = copy_last(log_at(from), begin, snapshot.log_end[from], log_at(to), count);
    begin = snapshot.log_end[from];
    snapshot.log_end[to] = count;
  }
  count = copy_last(log_at(from), begin, all, log_at(to), count);
  for (uint64_t i = 0; i < count; ++i) clear_flag(log_at(to)[i].stack, kCopied);
  records.log_count[to] = count;
  records.long_log = 2 * count;
  __atomic_store_n(&records.log, to, __ATOMIC_RELEASE);
  zero_pages(kLogAt[from], all * sizeof(Change));  // whole pages: the kernel rounds up
}

}  // namespace vsup::agent::massif
