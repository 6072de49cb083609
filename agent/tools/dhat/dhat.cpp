// Purpose: the dhat tool: what each stack has allocated, and how long it lived.
// Promises: every block is counted once; sums are exact, because one lock orders the events of all threads.
#include "agent/base/settings.h"
#include "agent/base/ticks.h"
#include "agent/heap/heap_events.h"
#include "agent/heap/heap_lock.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/dhat/records.h"

namespace vsup::agent::dhat {

namespace {

HeapLock lock;

Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}

// Microseconds, without a product that overflows.
uint64_t now() {
  const uint64_t per_second = vsup_settings.tool_options[kOptionTicksPerSecond];
  if (per_second == 0) return 0;
  const uint64_t passed = ticks() - header().start_ticks;
  return passed / per_second * 1'000'000 + passed % per_second * 1'000'000 / per_second;
}

// What the site held at the last peak is kept before it changes: since then it has not, so it is what it holds now.
Site* site_before_change(uint32_t stack) {
  Header& records = header();
  if (stack >= kMaxSites) {
    ++records.left_out;
    return nullptr;
  }
  if (stack >= records.site_limit) records.site_limit = uint64_t{stack} + 1;
  Site& site = reinterpret_cast<Site*>(kSitesAt)[stack];
  if (site.peak != records.peak) {
    site.peak_bytes = site.live_bytes;
    site.peak_blocks = site.live_blocks;
    site.peak = records.peak;
  }
  return &site;
}

// Of peaks of one height the last one counts, as in Valgrind's DHAT.
void after_growth(Site& site, uint64_t time) {
  Header& records = header();
  if (site.live_bytes > site.max_bytes) {
    site.max_bytes = site.live_bytes;
    site.max_blocks = site.live_blocks;
  }
  if (records.heap_bytes < records.max_bytes) return;
  records.max_bytes = records.heap_bytes;
  records.peak_time = time;
  ++records.peak;
}

void allocated(const HeapBlock& block) {
  HeapLockGuard guard(lock);
  Site* site = site_before_change(block.stack);
  if (site == nullptr) return;
  const uint64_t time = now();
  site->total_bytes += block.size;
  ++site->total_blocks;
  site->births += time;
  site->live_bytes += block.size;
  ++site->live_blocks;
  header().heap_bytes += block.size;
  ++header().heap_blocks;
  after_growth(*site, time);
}

void freed(const HeapBlock& block) {
  HeapLockGuard guard(lock);
  Site* site = site_before_change(block.stack);
  if (site == nullptr) return;
  site->deaths += now();
  site->live_bytes -= block.size;
  --site->live_blocks;
  header().heap_bytes -= block.size;
  --header().heap_blocks;
}

// A block that is resized goes on living where it was made, and is counted once more with its new size, as in
// Valgrind's DHAT.
void resized(const HeapBlock& former, const HeapBlock& fresh) {
  HeapBlock block, displaced{};
  if (former.stack != fresh.stack && chunk_remove(fresh.address, block)) {
    block.stack = former.stack;
    chunk_insert(block, displaced);
  }
  HeapLockGuard guard(lock);
  Site* site = site_before_change(former.stack);
  if (site == nullptr) return;
  site->total_bytes += fresh.size;
  ++site->total_blocks;
  site->live_bytes += fresh.size - former.size;
  header().heap_bytes += fresh.size - former.size;
  if (fresh.size >= former.size) after_growth(*site, now());
}

// The addresses of functions of other files would need a global offset table.
void before_fork() {
  lock.lock();
}
void after_fork() {
  lock.unlock();
}

void install() {
  set_heap_events({.allocated = allocated,
                   .freed = freed,
                   .resized = resized,
                   .before_fork = before_fork,
                   .after_fork = after_fork,
                   .exit_called = nullptr,
                   .leaving = nullptr,
                   .depth = static_cast<unsigned>(vsup_settings.tool_options[kOptionDepth])});
  header().start_ticks = ticks();
}

}  // namespace

}  // namespace vsup::agent::dhat

VSUP_TOOL(dhat, vsup::agent::dhat::install);
