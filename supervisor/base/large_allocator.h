// Purpose: memory for arrays of many megabytes, of which as much may be reserved as they could need at most: what is
// reserved and never touched costs nothing, and an array that has its room at once is not copied as it grows.
// Promises: an allocator as the standard library has them.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace vsup::supervisor {

void* allocate_large(size_t bytes);  // throws std::bad_alloc
void* allocate_zeros(size_t bytes);  // the same, in pages of zeros
void free_large(void* memory, size_t bytes);

template <typename T>
struct LargeAllocator {
  using value_type = T;

  LargeAllocator() = default;
  template <typename U>
  explicit(false) LargeAllocator(const LargeAllocator<U>& /*other*/) {}

  T* allocate(size_t count) { return static_cast<T*>(allocate_large(count * sizeof(T))); }
  void deallocate(T* memory, size_t count) { free_large(memory, count * sizeof(T)); }
  bool operator==(const LargeAllocator& /*other*/) const { return true; }
};

template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

// Numbers that are 0 until they are set, by several threads if need be.
template <typename T>
class ZeroedArray {
 public:
  ZeroedArray() = default;
  explicit ZeroedArray(size_t count)
      : numbers_(static_cast<T*>(allocate_zeros(count * sizeof(T))), Free{count * sizeof(T)}) {}

  size_t size() const { return numbers_ ? numbers_.get_deleter().bytes / sizeof(T) : 0; }
  T& operator[](size_t index) { return numbers_[index]; }
  const T& operator[](size_t index) const { return numbers_[index]; }

 private:
  struct Free {
    size_t bytes = 0;
    void operator()(T* numbers) const { free_large(numbers, bytes); }
  };
  std::unique_ptr<T[], Free> numbers_;
};

// Room for as many as there may be at most. Where the kernel counts what is reserved, there may be none: then it grows.
template <typename T>
void reserve_at_most(LargeVector<T>& vector, size_t count) {
  try {
    vector.reserve(count);
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace vsup::supervisor
