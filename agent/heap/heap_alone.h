// Purpose: counting that costs little while the process has one thread.
#pragma once

#include "protocol/heap.h"

namespace vsup::agent {

inline bool heap_alone() {
  return reinterpret_cast<const volatile protocol::HeapControl*>(protocol::kHeapLayerBase)->alone != 0;
}

// Adds to a count that all threads share, and returns what it was.
inline uint64_t heap_add(uint64_t& to, uint64_t value) {
  if (!heap_alone()) return __atomic_fetch_add(&to, value, __ATOMIC_RELAXED);
  uint64_t before = to;
  to = before + value;
  return before;
}

}  // namespace vsup::agent
