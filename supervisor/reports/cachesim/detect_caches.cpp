// Sources: Valgrind 3.19's coregrind/m_cache.c and cachegrind/cg_arch.c for what is asked in which order and what is
// made of it; Intel SDM volume 2, CPUID leaves 2 and 4; AMD APM volume 3, leaves 8000_0005 and 8000_0006.
#include <cpuid.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "supervisor/reports/cachesim/cache_options.h"

namespace vsup::supervisor::cachesim {

namespace {

enum class Use { kData, kInstructions, kUnified };

struct Found {
  unsigned level;
  Use use;
  Cache cache;
};

// A descriptor byte of leaf 2. Prefetch and TLB descriptors have no row.
struct Descriptor {
  uint8_t byte;
  uint8_t level;
  Use use;
  uint16_t kilobytes;
  uint8_t ways, line;
};
constexpr Descriptor kDescriptors[] = {
    {0x06, 1, Use::kInstructions, 8, 4, 32},
    {0x08, 1, Use::kInstructions, 16, 4, 32},
    {0x09, 1, Use::kInstructions, 32, 4, 64},
    {0x30, 1, Use::kInstructions, 32, 8, 64},
    {0x0a, 1, Use::kData, 8, 2, 32},
    {0x0c, 1, Use::kData, 16, 4, 32},
    {0x0d, 1, Use::kData, 16, 4, 64},
    {0x0e, 1, Use::kData, 24, 6, 64},
    {0x2c, 1, Use::kData, 32, 8, 64},
    {0x60, 1, Use::kData, 16, 8, 64},
    {0x66, 1, Use::kData, 8, 4, 64},
    {0x67, 1, Use::kData, 16, 4, 64},
    {0x68, 1, Use::kData, 32, 4, 64},
    // Trace caches of the Pentium 4, 12, 16 and 32 thousand micro-operations, as Valgrind simulates them.
    {0x70, 1, Use::kInstructions, 16, 8, 32},
    {0x71, 1, Use::kInstructions, 16, 8, 32},
    {0x72, 1, Use::kInstructions, 32, 8, 32},
    {0x21, 2, Use::kUnified, 256, 8, 64},
    {0x39, 2, Use::kUnified, 128, 4, 64},
    {0x3c, 2, Use::kUnified, 256, 4, 64},
    {0x41, 2, Use::kUnified, 128, 4, 32},
    {0x42, 2, Use::kUnified, 256, 4, 32},
    {0x43, 2, Use::kUnified, 512, 4, 32},
    {0x44, 2, Use::kUnified, 1024, 4, 32},
    {0x45, 2, Use::kUnified, 2048, 4, 32},
    {0x48, 2, Use::kUnified, 3072, 12, 64},
    {0x49, 2, Use::kUnified, 4096, 16, 64},
    {0x4e, 2, Use::kUnified, 6144, 24, 64},
    {0x78, 2, Use::kUnified, 1024, 4, 64},
    {0x79, 2, Use::kUnified, 128, 8, 64},
    {0x7a, 2, Use::kUnified, 256, 8, 64},
    {0x7b, 2, Use::kUnified, 512, 8, 64},
    {0x7c, 2, Use::kUnified, 1024, 8, 64},
    {0x7d, 2, Use::kUnified, 2048, 8, 64},
    {0x7e, 2, Use::kUnified, 256, 8, 128},
    {0x7f, 2, Use::kUnified, 512, 2, 64},
    {0x80, 2, Use::kUnified, 512, 8, 64},
    {0x81, 2, Use::kUnified, 128, 8, 32},
    {0x82, 2, Use::kUnified, 256, 8, 32},
    {0x83, 2, Use::kUnified, 512, 8, 32},
    {0x84, 2, Use::kUnified, 1024, 8, 32},
    {0x85, 2, Use::kUnified, 2048, 8, 32},
    {0x86, 2, Use::kUnified, 512, 4, 64},
    {0x87, 2, Use::kUnified, 1024, 8, 64},
    {0x22, 3, Use::kUnified, 512, 4, 64},
    {0x23, 3, Use::kUnified, 1024, 8, 64},
    {0x25, 3, Use::kUnified, 2048, 8, 64},
    {0x29, 3, Use::kUnified, 4096, 8, 64},
    {0x46, 3, Use::kUnified, 4096, 4, 64},
    {0x47, 3, Use::kUnified, 8192, 8, 64},
    {0x4a, 3, Use::kUnified, 6144, 12, 64},
    {0x4b, 3, Use::kUnified, 8192, 16, 64},
    {0x4c, 3, Use::kUnified, 12288, 12, 64},
    {0x4d, 3, Use::kUnified, 16384, 16, 64},
    {0xd0, 3, Use::kUnified, 512, 4, 64},
    {0xd1, 3, Use::kUnified, 1024, 4, 64},
    {0xd2, 3, Use::kUnified, 2048, 4, 64},
    {0xd6, 3, Use::kUnified, 1024, 8, 64},
    {0xd7, 3, Use::kUnified, 2048, 8, 64},
    {0xd8, 3, Use::kUnified, 4096, 8, 64},
    {0xdc, 3, Use::kUnified, 1536, 12, 64},
    {0xdd, 3, Use::kUnified, 3072, 12, 64},
    {0xde, 3, Use::kUnified, 6144, 12, 64},
    {0xe2, 3, Use::kUnified, 2048, 16, 64},
    {0xe3, 3, Use::kUnified, 4096, 16, 64},
    {0xe4, 3, Use::kUnified, 8192, 16, 64},
    {0xea, 3, Use::kUnified, 12288, 24, 64},
    {0xeb, 3, Use::kUnified, 18432, 24, 64},
    {0xec, 3, Use::kUnified, 24576, 24, 64},
};

void add_leaf_4(Cpuid cpuid, std::vector<Found>& found) {
  for (uint32_t subleaf = 0; subleaf < 32; ++subleaf) {
    const CpuidAnswer answer = cpuid(4, subleaf);
    const unsigned type = answer.eax & 0x1f, level = (answer.eax >> 5) & 7;
    if (type == 0) return;
    const uint64_t ways = (answer.ebx >> 22) + 1, parts = ((answer.ebx >> 12) & 0x3ff) + 1;
    const uint64_t line = (answer.ebx & 0x7ff) + 1, sets = uint64_t{answer.ecx} + 1;
    if (type > 3 || level < 1 || level > 3) continue;
    const Use use = type == 1 ? Use::kData : type == 2 ? Use::kInstructions : Use::kUnified;
    // Valgrind counts in 32 bits and whole kilobytes.
    const uint64_t size = uint64_t{static_cast<uint32_t>(ways * parts * line * sets)} / 1024 * 1024;
    found.push_back({level, use, {size, ways, line}});
  }
}

bool is_old_xeon(Cpuid cpuid) {
  const uint32_t signature = cpuid(1, 0).eax;
  const uint32_t family = (signature >> 20 & 0xff) * 16 + (signature >> 8 & 0xf);
  const uint32_t model = (signature >> 16 & 0xf) * 16 + (signature >> 4 & 0xf);
  return family == 15 && model == 6;
}

std::vector<Found> intel_caches(Cpuid cpuid, uint32_t highest) {
  std::vector<Found> found;
  if (highest < 2) return found;
  const CpuidAnswer answer = cpuid(2, 0);
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &answer, bytes.size());
  if (bytes[0] != 1) return found;
  bytes[0] = 0;
  for (const uint8_t byte : bytes) {
    if (byte == 0xff) {
      add_leaf_4(cpuid, found);
      continue;
    }
    for (const Descriptor& row : kDescriptors) {
      if (row.byte != byte) continue;
      const unsigned level = byte == 0x49 && is_old_xeon(cpuid) ? 3 : row.level;
      found.push_back({level, row.use, {row.kilobytes * uint64_t{1024}, row.ways, row.line}});
    }
  }
  return found;
}

// The code for associativity of the second and third level; what has no code counts as direct-mapped, as in Valgrind.
uint64_t amd_ways(uint32_t code) {
  static constexpr uint8_t kWays[16] = {1, 1, 2, 1, 4, 1, 8, 1, 16, 1, 32, 48, 64, 96, 128, 1};
  return kWays[code & 15];
}

std::vector<Found> amd_caches(Cpuid cpuid) {
  if (cpuid(0x8000'0000, 0).eax < 0x8000'0006) return {};
  const CpuidAnswer first = cpuid(0x8000'0005, 0), last = cpuid(0x8000'0006, 0);
  const auto first_level = [](uint32_t bits) {
    return Cache{uint64_t{bits >> 24} * 1024, bits >> 16 & 0xff, bits & 0xff};
  };
  std::vector<Found> found{
      {1, Use::kData, first_level(first.ecx)},
      {1, Use::kInstructions, first_level(first.edx)},
      {2, Use::kUnified, {uint64_t{last.ecx >> 16} * 1024, amd_ways(last.ecx >> 12), last.ecx & 0xff}},
  };
  if (last.edx >> 18 != 0)
    found.push_back(
        {3, Use::kUnified, {uint64_t{last.edx >> 18} * 512 * 1024, amd_ways(last.edx >> 12), last.edx & 0xff}});
  return found;
}

const Cache* find(const std::vector<Found>& found, Use use, unsigned level) {
  for (const Found& one : found)
    if (one.use == use && one.level == level) return &one.cache;
  return nullptr;
}

}  // namespace

CpuidAnswer this_cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidAnswer answer;
  __cpuid_count(leaf, subleaf, answer.eax, answer.ebx, answer.ecx, answer.edx);
  return answer;
}

CacheSet detect_caches(Cpuid cpuid) {
  const CpuidAnswer vendor = cpuid(0, 0);
  std::vector<Found> found;
  if (vendor.ebx == signature_INTEL_ebx && vendor.ecx == signature_INTEL_ecx) found = intel_caches(cpuid, vendor.eax);
  if (vendor.ebx == signature_AMD_ebx && vendor.ecx == signature_AMD_ecx) found = amd_caches(cpuid);
  unsigned levels = 0;
  for (const Found& one : found) levels = std::max(levels, one.level);
  const Cache* i1 = find(found, Use::kInstructions, 1);
  const Cache* d1 = find(found, Use::kData, 1);
  const Cache* ll = find(found, Use::kUnified, levels);
  CacheSet caches{{65536, 2, 64}, {65536, 2, 64}, {262144, 8, 64}};
  if (i1 != nullptr && d1 != nullptr && ll != nullptr) caches = {*i1, *d1, *ll};
  adjust_last_level(caches.ll);
  return caches;
}

void adjust_last_level(Cache& cache) {
  if (cache.size == 0 || cache.ways == 0 || cache.line == 0) return;
  const uint64_t sets = cache.size / (cache.ways * cache.line);
  if (sets == 0) return;
  const uint64_t fewer = std::bit_floor(sets);
  if (fewer != sets) {
    const double factor = static_cast<double>(sets) / static_cast<double>(fewer);
    cache.ways = static_cast<uint64_t>(std::lround(factor * static_cast<double>(cache.ways)));
  }
  cache.size = cache.line * cache.ways * fewer;
}

}  // namespace vsup::supervisor::cachesim
