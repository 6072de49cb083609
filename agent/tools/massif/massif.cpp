// Purpose: the massif tool: how much of the heap each stack holds, over time.
// Promises: threads count in parallel; what one thread does alone is counted exactly as massif counts it.
#include "agent/base/settings.h"
#include "agent/heap/heap_alone.h"
#include "agent/heap/heap_events.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/massif/ignored.h"
#include "agent/tools/massif/instrument.h"
#include "agent/tools/massif/pages.h"
#include "agent/tools/massif/snapshots.h"
#include "agent/tools/massif/thread_stacks.h"

namespace vsup::agent::massif {

namespace {

// Beyond the bytes asked for: what rounding up to 16 adds, what an in-place shrink left, and bookkeeping.
uint64_t extra_of(const HeapBlock& block) {
  return vsup_settings.tool_options[kOptionHeapAdmin] + (-block.size & 15) + 16ull * block.slack;
}

void add_live(uint32_t stack, uint64_t bytes) {
  if (stack >= kMaxStacks) return;
  // In this order: who takes it off the list either finds these bytes or lets it be listed again.
  if ((heap_add(live()[stack], bytes) & kChanged) == 0) [[unlikely]]
    note_change(stack);
}

void add_total(uint32_t stack, uint64_t bytes) {
  if (vsup_settings.tool_options[kOptionTotals] == 0 || stack >= kMaxStacks) return;
  heap_add(reinterpret_cast<uint64_t*>(kTotalsAt)[stack], bytes);
}

// Memory taken (or given back: a negative amount).
void move(int64_t bytes, int64_t extra) {
  Header& records = header();
  heap_add(records.heap_bytes, static_cast<uint64_t>(bytes));
  heap_add(records.extra_bytes, static_cast<uint64_t>(extra));
  if (vsup_settings.tool_options[kOptionTimeUnit] != kTimeBytes) return;
  int64_t moved = bytes + extra;
  heap_add(records.moved_bytes, static_cast<uint64_t>(moved < 0 ? -moved : moved));
}

void allocated(const HeapBlock& block) {
  if (is_ignored(block.stack)) return;
  add_live(block.stack, block.size);
  add_total(block.stack, block.size);
  move(static_cast<int64_t>(block.size), static_cast<int64_t>(extra_of(block)));
  maybe_normal();
}

// HeapBlock::mark: an ignored function made it, and another one has resized it since.
constexpr uint8_t kMadeIgnored = 1;

bool does_not_count(const HeapBlock& block) {
  return block.mark == kMadeIgnored || is_ignored(block.stack);
}

void freed(const HeapBlock& block) {
  if (does_not_count(block)) return;
  maybe_peak();
  move(-static_cast<int64_t>(block.size), -static_cast<int64_t>(extra_of(block)));
  add_live(block.stack, -block.size);
  maybe_normal();
}

void resized(const HeapBlock& former, const HeapBlock& fresh) {
  if (does_not_count(former)) return chunk_set_mark(fresh.address, kMadeIgnored);
  if (is_ignored(fresh.stack)) return freed(former);
  if (fresh.size < former.size) maybe_peak();
  add_live(fresh.stack, fresh.size);
  add_total(fresh.stack, fresh.size);
  add_live(former.stack, -former.size);
  move(static_cast<int64_t>(fresh.size - former.size), static_cast<int64_t>(extra_of(fresh) - extra_of(former)));
  maybe_normal();
}

// The addresses of functions of other files would need a global offset table.
void before_fork() {
  lock_snapshots();
}
void after_fork() {
  unlock_snapshots();
}

void in_cache(protocol::ThreadContext& ctx, unsigned own_instructions) {
  take_instructions(ctx, own_instructions);
  if (vsup_settings.tool_options[kOptionStacks] != 0) measure_stack(ctx);
}

void install() {
  set_heap_events({.allocated = allocated,
                   .freed = freed,
                   .resized = resized,
                   .before_fork = before_fork,
                   .after_fork = after_fork,
                   .exit_called = nullptr,
                   .leaving = nullptr,
                   .in_cache = in_cache,
                   .depth = static_cast<unsigned>(vsup_settings.tool_options[kOptionDepth]),
                   .stack_ids = StackIds::kByWalk});
  start_snapshots();
  if (vsup_settings.run_native == 0) count_instructions();
  if (vsup_settings.tool_options[kOptionPages] != 0) watch_pages();
}

}  // namespace

}  // namespace vsup::agent::massif

VSUP_TOOL(massif, vsup::agent::massif::install);
