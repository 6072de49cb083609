#include "supervisor/base/large_allocator.h"

#include <sys/mman.h>

#include <cstring>

namespace vsup::supervisor {
namespace {

constexpr size_t kLarge = size_t{2} << 20;

}  // namespace

void* allocate_large(size_t bytes) {
  if (bytes < kLarge) return ::operator new(bytes);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void* allocate_zeros(size_t bytes) {
  void* memory = allocate_large(bytes);
  if (bytes < kLarge) std::memset(memory, 0, bytes);
  return memory;
}

void free_large(void* memory, size_t bytes) {
  if (bytes < kLarge) {
    ::operator delete(memory);
  } else {
    munmap(memory, bytes);
  }
}

}  // namespace vsup::supervisor
