#include "supervisor/symbols/call_site.h"

#include <cstring>

namespace vsup::supervisor {
namespace {

// Size of FF /2 with this ModRM byte and, where it has one, SIB byte; 0: not a near call.
unsigned indirect_call_size(uint8_t modrm, uint8_t sib) {
  if ((modrm >> 3 & 7) != 2) return 0;
  unsigned mod = modrm >> 6, rm = modrm & 7;
  if (mod == 3) return 2;
  unsigned size = 2 + (rm == 4);
  if (mod == 1) return size + 1;
  if (mod == 2) return size + 4;
  bool displacement = rm == 5 || (rm == 4 && (sib & 7) == 5);
  return displacement ? size + 4 : size;
}

}  // namespace

CallSite call_before(std::span<const uint8_t, 7> before, uint64_t return_address) {
  if (before[2] == 0xe8) {
    int32_t distance;
    std::memcpy(&distance, &before[3], sizeof distance);
    return {CallSite::Kind::kDirect, return_address + static_cast<uint64_t>(int64_t{distance})};
  }
  for (unsigned size = 2; size <= 7; size++) {
    size_t at = 7 - size;
    uint8_t sib = at + 2 < 7 ? before[at + 2] : 0;
    if (before[at] == 0xff && indirect_call_size(before[at + 1], sib) == size) return {CallSite::Kind::kIndirect, 0};
  }
  return {};
}

}  // namespace vsup::supervisor
