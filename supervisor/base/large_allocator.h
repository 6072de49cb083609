// Purpose: memory for arrays of many megabytes, of which as much may be reserved as they could need at most: what is
// reserved and never touched costs nothing, and an array that has its room at once is not copied as it grows.
// Promises: an allocator as the standard library has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace vsup::supervisor {

inline constexpr size_t kLargeBytes = size_t{2} << 20;  // what has less comes from the C library

void* allocate_large(size_t bytes);  // throws std::bad_alloc
void* allocate_zeros(size_t bytes);  // the same, in pages of zeros
void free_large(void* memory, size_t bytes);
// Gets the pages of [start, end), which is allocated and may hold something already, at once instead of by a page fault
// each. A hint: not every kernel can, and a few are not worth the call.
void prepare_pages(void* start, void* end);

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

// Room for `count` entries in all, which will be used up.
template <typename Vector>
void reserve_pages(Vector& vector, size_t count) {
  vector.reserve(count);
  prepare_pages(vector.data() + vector.size(), vector.data() + count);
}

// So many entries; new ones are zero.
template <typename Vector>
void resize_pages(Vector& vector, size_t count) {
  reserve_pages(vector, count);
  vector.resize(count);
}

// Gets the pages of an array that has room and is filled bit by bit, some hundreds at a time.
template <typename T>
class PagesAhead {
 public:
  // Before `more` entries are put behind those of `vector`.
  void prepare(LargeVector<T>& vector, size_t more) {
    // Another array may lie where the last one was.
    if (vector.data() != array_ || vector.size() < size_) ready_ = vector.size();
    array_ = vector.data();
    size_ = vector.size();
    if (std::min(size_ + more, vector.capacity()) <= ready_) return;
    const size_t first = std::max(ready_, size_);
    ready_ = std::min(first + more + kStep / sizeof(T), vector.capacity());
    prepare_pages(vector.data() + first, vector.data() + ready_);
  }

 private:
  static constexpr size_t kStep = size_t{1} << 20;

  const T* array_ = nullptr;  // at the last call
  size_t size_ = 0;           // likewise
  size_t ready_ = 0;          // entries up to here have pages
};

// Puts `more` behind what `to` has. Fresh pages take longer than what is written to them: two threads get them.
template <typename T>
void append_large(LargeVector<T>& to, const LargeVector<T>& more) {
  to.reserve(to.size() + more.size());
  T* const behind = to.data() + to.size();
  if (more.size() * sizeof(T) >= kLargeBytes) {
    std::thread helper([&more, behind] { prepare_pages(behind + more.size() / 2, behind + more.size()); });
    prepare_pages(behind, behind + more.size() / 2);
    helper.join();
  }
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace vsup::supervisor
