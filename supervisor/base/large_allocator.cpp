#include "supervisor/base/large_allocator.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

namespace vsup::supervisor {

void* allocate_large(size_t bytes) {
  if (bytes < kLargeBytes) return ::operator new(bytes);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void* allocate_zeros(size_t bytes) {
  void* memory = allocate_large(bytes);
  if (bytes < kLargeBytes) std::memset(memory, 0, bytes);
  return memory;
}

void free_large(void* memory, size_t bytes) {
  if (bytes < kLargeBytes) {
    ::operator delete(memory);
  } else {
    munmap(memory, bytes);
  }
}

void prepare_pages(void* start, void* end) {
  constexpr uintptr_t kPage = 4096, kFewPages = 4;  // for which the call is not worth it
  const uintptr_t first = reinterpret_cast<uintptr_t>(start) & ~(kPage - 1);
  const uintptr_t last = (reinterpret_cast<uintptr_t>(end) + kPage - 1) & ~(kPage - 1);
  if (first + kFewPages * kPage <= last) madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
}

}  // namespace vsup::supervisor
