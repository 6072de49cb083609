// Which caches are simulated: what processors answer, as Valgrind takes it, and what options say.
#include <doctest/doctest.h>

#include "supervisor/reports/cachesim/cache_options.h"

namespace {

using namespace vsup::supervisor;
using namespace vsup::supervisor::cachesim;

constexpr CpuidAnswer kIntel{24, 0x756e6547, 0x6c65746e, 0x49656e69};
constexpr CpuidAnswer kAmd{16, 0x68747541, 0x444d4163, 0x69746e65};

// A Xeon whose last level has 491,520 sets.
CpuidAnswer xeon(uint32_t leaf, uint32_t subleaf) {
  static constexpr CpuidAnswer kLevels[] = {{0x04000121, 0x02c0003f, 0x3f, 0},
                                            {0x04000122, 0x03c0003f, 0x3f, 0},
                                            {0x04000143, 0x03c0003f, 0x7ff, 0},
                                            {0x04004163, 0x03c0003f, 0x77fff, 0}};
  if (leaf == 0) return kIntel;
  if (leaf == 2) return {0x00feff01, 0xf0, 0, 0};
  if (leaf == 4 && subleaf < 4) return kLevels[subleaf];
  return {};
}

// A Core 2 of 2006: descriptors only.
CpuidAnswer core2(uint32_t leaf, uint32_t) {
  if (leaf == 0) return {10, kIntel.ebx, kIntel.ecx, kIntel.edx};
  if (leaf == 2) return {0x05b0b101, 0x005657f0, 0, 0x2cb43049};
  return {};
}

// A Zen: 32 KB of 8 ways each, 16 MB of 16 ways.
CpuidAnswer zen(uint32_t leaf, uint32_t) {
  if (leaf == 0) return kAmd;
  if (leaf == 0x8000'0000) return {0x8000'0020, 0, 0, 0};
  if (leaf == 0x8000'0005) return {0, 0, 0x20080140, 0x20080140};
  if (leaf == 0x8000'0006) return {0, 0, 0x02006140, 0x00808140};
  return {};
}

CpuidAnswer unknown(uint32_t leaf, uint32_t) {
  return leaf == 0 ? CpuidAnswer{1, 0x11111111, 0x22222222, 0x33333333} : CpuidAnswer{};
}

void check(const Cache& cache, uint64_t size, uint64_t ways, uint64_t line) {
  CHECK(cache.size == size);
  CHECK(cache.ways == ways);
  CHECK(cache.line == line);
}

}  // namespace

TEST_CASE("cachesim: caches are those that the processor describes") {
  const CacheSet intel = detect_caches(xeon);
  check(intel.i1, 65536, 16, 64);
  check(intel.d1, 49152, 12, 64);
  check(intel.ll, 503316480, 30, 64);  // 262,144 sets: more ways, the same size
  const CacheSet older = detect_caches(core2);
  check(older.i1, 32768, 8, 64);
  check(older.d1, 32768, 8, 64);
  check(older.ll, 4194304, 16, 64);
  const CacheSet amd = detect_caches(zen);
  check(amd.i1, 32768, 8, 64);
  check(amd.d1, 32768, 8, 64);
  check(amd.ll, 16777216, 16, 64);
  const CacheSet other = detect_caches(unknown);
  check(other.i1, 65536, 2, 64);
  check(other.d1, 65536, 2, 64);
  check(other.ll, 262144, 8, 64);
}

TEST_CASE("cachesim: the number of sets of the last level becomes a power of two") {
  Cache cache{12u << 20, 16, 64};  // 12,288 sets
  adjust_last_level(cache);
  check(cache, 12u << 20, 24, 64);
  cache = {5u << 20, 48, 64};  // 1,706.7 sets
  adjust_last_level(cache);
  check(cache, 80u * 64 * 1024, 80, 64);
  cache = {8u << 20, 16, 64};
  adjust_last_level(cache);
  check(cache, 8u << 20, 16, 64);
}

TEST_CASE("cachesim: a cache that cannot be is refused") {
  check(parse_cache("D1", "32768,8,64"), 32768, 8, 64);
  check(parse_cache("D1", "24576,3,128"), 24576, 3, 128);
  for (const char* text : {"", "32768", "32768,8", "32768,8,64,1", "32768,8,x", "-1,8,64", "32768,0,64", "32768,8,0",
                           "32768,8,63", "32768,8,16", "49152,8,64", "64,1,64", "32768,1024,64", "99999999999,8,64"})
    CHECK_THROWS_AS(parse_cache("D1", text), OptionError);
}

TEST_CASE("cachesim: caches are described in Valgrind's words") {
  CHECK(describe({32768, 8, 64}) == "32768 B, 64 B, 8-way associative");
  CHECK(describe({8192, 1, 32}) == "8192 B, 32 B, direct-mapped");
}
