#include "agent/heap/heap_thread.h"

#include "agent/base/check.h"

namespace vsup::agent {

namespace {

using namespace protocol;

// rdfsbase: bit 0 of the auxiliary vector's AT_HWCAP2 says that user mode may use it, Linux 5.9.
uint64_t thread_pointer() {
  uint64_t value;
  asm volatile("rdfsbase %0" : "=r"(value));
  return value;
}

}  // namespace

HeapThread& heap_thread() {
  auto* keys = reinterpret_cast<uint64_t*>(kHeapThreadKeysBase);
  auto* threads = reinterpret_cast<HeapThread*>(kHeapThreadsBase);
  uint64_t pointer = thread_pointer();
  uint64_t key = pointer | 1;  // a thread without one has a key, too
  uint32_t slot = heap_thread_slot(pointer);
  for (uint32_t tries = 0; tries < kMaxHeapThreads; ++tries, slot = (slot + 1) % kMaxHeapThreads) {
    uint64_t seen = __atomic_load_n(&keys[slot], __ATOMIC_ACQUIRE);
    if (seen == key) return threads[slot];
    if (seen != 0) continue;
    // Only the thread itself enters its key.
    if (!__atomic_compare_exchange_n(&keys[slot], &seen, key, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) continue;
    threads[slot].stack = kHeapStacksBase + (slot + 1) * kHeapStackSize;
    return threads[slot];
  }
  check_failed("there is room for one more thread pointer", __FILE__, __LINE__, {{pointer}});
}

WalkCache& walk_cache_of(const HeapThread& thread) {
  static_assert(sizeof(WalkCache) <= kWalkCacheSize);
  uint64_t slot = &thread - reinterpret_cast<const HeapThread*>(kHeapThreadsBase);
  return *reinterpret_cast<WalkCache*>(kWalkCachesBase + slot * kWalkCacheSize);
}

}  // namespace vsup::agent
