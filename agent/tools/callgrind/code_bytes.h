// Purpose: reads code that is not being translated: what lies where a call leads, or at a call's site.
// Promises: as many bytes as can be read, and those behind are zeros. What lies on the next page, which may not be
// there although the code is, is read under a FaultGuard.
#pragma once

#include "agent/base/entry_points.h"
#include "agent/engine/fault_guard.h"

namespace vsup::agent::callgrind {

// Returns how many of `size` bytes there are.
inline size_t read_code(uint64_t pc, uint8_t* bytes, size_t size) {
  constexpr uint64_t kPage = 4096;
  const uint64_t left = kPage - pc % kPage;
  const size_t here = size < left ? size : left;
  for (size_t i = 0; i < size; ++i) bytes[i] = 0;
  if (!vsup_safe_copy(bytes, reinterpret_cast<const void*>(pc), here)) return 0;
  if (here == size) return size;
  FaultGuard faults;
  return vsup_safe_copy(bytes + here, reinterpret_cast<const void*>(pc + here), size - here) ? size : here;
}

}  // namespace vsup::agent::callgrind
