// Purpose: the leaks tool: counts allocations; the heap layer's index says what is still there. At a normal end it has
// the libraries free what they keep for themselves, as Valgrind does, so that it does not look like the program's.
#include "agent/base/settings.h"
#include "agent/base/syscall.h"
#include "agent/heap/heap_events.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/leaks/records.h"
#include "protocol/heap.h"

namespace vsup::agent::leaks {

namespace {

using protocol::HeapFunction;

Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}

void add(uint64_t& to, uint64_t value) {
  __atomic_fetch_add(&to, value, __ATOMIC_RELAXED);
}

void allocated(const HeapBlock& block) {
  add(header().allocations, 1);
  add(header().allocated_bytes, block.size);
}

void freed(const HeapBlock&) {
  add(header().frees, 1);
}

void resized(const HeapBlock& former, const HeapBlock& fresh) {
  freed(former);
  allocated(fresh);
}

void no_lock() {}

void exit_called(uint64_t sp) {
  Header& records = header();
  if (records.exit_sp != 0) return;  // by a handler of exit, or another thread
  records.exit_sp = sp;
  records.exit_tid = own_thread_id();
}

// That of the libraries which the program began with: those of other namespaces (dlmopen) would free again what belongs
// to the loader that they share.
void call_first(HeapFunction wanted) {
  const auto& control = *reinterpret_cast<const protocol::HeapControl*>(protocol::kHeapLayerBase);
  for (uint64_t i = 0; i < control.hook_count && i < protocol::kMaxHooks; ++i) {
    const auto& site =
        *reinterpret_cast<const protocol::HookSite*>(protocol::kHookSitesBase + i * protocol::kHookSiteStride);
    if (site.function == wanted && site.status == protocol::kHookMade)
      return reinterpret_cast<void (*)()>(site.address)();
  }
}

// A thread that was joined may not have gone entirely. False, too, where it cannot be asked for.
bool becomes_alone() {
  if (calls_are_filtered()) return false;
  constexpr int kTries = 20;
  constexpr uint64_t kNanoseconds = 1'000'000;
  for (int i = 0; i < kTries; ++i) {
    if (own_thread_count() == 1) return true;
    uint32_t nobody = 0;
    futex_wait(&nobody, 0, kNanoseconds);
  }
  return false;
}

// After exit alone: there the streams have been flushed and nobody uses the libraries any more. _exit is also what a
// child of fork calls that is not to flush its parent's buffers, or of vfork that is not to touch its memory.
bool leaving() {
  Header& records = header();
  if (records.exit_sp == 0) return false;
  uint64_t before = kNotLeaving;
  __atomic_compare_exchange_n(&records.leaving, &before, kLeaving, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  const bool free_libc = vsup_settings.tool_options[kOptionFreeLibc] != 0;
  if (before == kNotLeaving) {
    // Another thread may be using what would be freed.
    const bool alone = becomes_alone();
    if (free_libc) records.clean_up = alone ? kCleanUpDone : kCleanUpUnsafe;
    if (!alone) return false;
    if (vsup_settings.tool_options[kOptionFreeCxx] != 0) call_first(HeapFunction::kFreeCxxResources);
    return free_libc;
  }
  // glibc closes libraries then, and with them some that others have loaded.
  if (__atomic_exchange_n(&records.leaving, kLeft, __ATOMIC_RELAXED) == kLeaving && records.clean_up == kCleanUpDone)
    call_first(HeapFunction::kFreeResources);
  return false;
}

void install() {
  set_heap_events({.allocated = allocated,
                   .freed = freed,
                   .resized = resized,
                   .before_fork = no_lock,
                   .after_fork = no_lock,
                   .exit_called = exit_called,
                   .leaving = leaving,
                   .depth = static_cast<unsigned>(vsup_settings.tool_options[kOptionDepth])});
}

}  // namespace

}  // namespace vsup::agent::leaks

VSUP_TOOL(leaks, vsup::agent::leaks::install);
