#include "supervisor/base/large_allocator.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>

using namespace vsup::supervisor;

namespace {

// Whether the page that holds `at` is in memory.
bool present(const void* at) {
  const auto page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095};
  unsigned char state = 0;
  REQUIRE(mincore(reinterpret_cast<void*>(page), 4096, &state) == 0);
  return (state & 1) != 0;
}

constexpr size_t kCount = size_t{4} << 20, kFew = size_t{4} << 10;

}  // namespace

TEST_CASE("pages: an array that is filled as a whole has all of them before") {
  LargeVector<uint32_t> numbers;
  reserve_pages(numbers, kCount);
  CHECK(numbers.empty());
  for (size_t i = 0; i < kCount; i += 1024) REQUIRE(present(numbers.data() + i));
}

TEST_CASE("pages: ahead of an array that is filled bit by bit, and of the next one") {
  PagesAhead<uint32_t> ahead;
  for (unsigned round = 0; round < 2; ++round) {
    LargeVector<uint32_t> numbers;
    numbers.reserve(kCount);
    CHECK_FALSE(present(numbers.data() + kCount / 2));
    for (size_t i = 0; i < kCount; i += 256) {
      ahead.prepare(numbers, 256);
      if (i + kFew < kCount) REQUIRE(present(numbers.data() + i + 255));
      for (uint32_t value = 0; value < 256; ++value) numbers.push_back(value);
    }
    CHECK(numbers[kCount - 1] == 255);
  }
}

TEST_CASE("pages: an array without room grows all the same") {
  PagesAhead<uint32_t> ahead;
  LargeVector<uint32_t> numbers;
  for (uint32_t i = 0; i < kCount; ++i) {
    ahead.prepare(numbers, 1);
    numbers.push_back(i);
  }
  CHECK(numbers[kCount - 1] == kCount - 1);
}

TEST_CASE("pages: one large array behind another") {
  LargeVector<uint32_t> first(kCount, 1), second(kCount, 2);
  append_large(first, second);
  CHECK(first.size() == 2 * kCount);
  CHECK(first[kCount - 1] == 1);
  CHECK(first[kCount] == 2);
  CHECK(first.back() == 2);
}
