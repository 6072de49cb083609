#include "supervisor/base/large_allocator.h"

#include <sys/mman.h>

#include <cstdint>

namespace vsup::supervisor {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;  // of x86-64

bool is_large(size_t bytes) {
  return bytes >= kHugePage;
}

size_t rounded(size_t bytes) {
  return (bytes + kHugePage - 1) & ~(kHugePage - 1);
}

}  // namespace

void* allocate_large(size_t bytes) {
  if (!is_large(bytes)) return ::operator new(bytes);
  const size_t size = rounded(bytes), mapped = size + kHugePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const start = static_cast<uint8_t*>(memory);
  const size_t before = -reinterpret_cast<uintptr_t>(start) & (kHugePage - 1);
  if (before > 0) munmap(start, before);
  munmap(start + before + size, kHugePage - before);
  madvise(start + before, size, MADV_HUGEPAGE);
  return start + before;
}

void free_large(void* memory, size_t bytes) {
  if (is_large(bytes)) {
    munmap(memory, rounded(bytes));
  } else {
    ::operator delete(memory);
  }
}

}  // namespace vsup::supervisor
