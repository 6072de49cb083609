// Purpose: adding to the tables that cache code searches by pairs of numbers (records.h, LookupEntry).
// Assumes: the engine lock is held. Promises: an entry is seen whole or not at all.
#pragma once

#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

inline uint64_t lookup_key(uint32_t first, uint32_t second) {
  return first | (uint64_t{second} + 1) << 32;
}

// Place of a pair in the table; emit_lookup() computes the same.
inline uint32_t lookup_place(uint32_t first, uint32_t second) {
  return (first * kLookupFactorFirst + (second + 1) * kLookupFactorSecond) >> (32 - kLookupBits);
}

class LookupTable {
 public:
  explicit LookupTable(uint64_t address) : entries_(reinterpret_cast<LookupEntry*>(address)) {}

  // The entry of the pair, or the free one where it would be; null when there is no room.
  LookupEntry* find(uint32_t first, uint32_t second) const {
    LookupEntry* entry = entries_ + lookup_place(first, second);
    for (uint32_t i = 0; i < kLookupSpare; ++i, ++entry)
      if (entry->key == 0 || entry->key == lookup_key(first, second)) return entry;
    return nullptr;
  }
  static void fill(LookupEntry* entry, uint32_t first, uint32_t second, uint64_t value) {
    entry->value = value;
    __atomic_store_n(&entry->key, lookup_key(first, second), __ATOMIC_RELEASE);
  }

 private:
  LookupEntry* entries_;
};

}  // namespace vsup::agent::callgrind
