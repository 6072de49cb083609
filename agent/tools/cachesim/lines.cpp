// Purpose: numbers for lines of code: 32 bits that inserted code compares as an immediate.
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

namespace {

uint32_t line_count = 0;

uint64_t* lines() {
  return reinterpret_cast<uint64_t*>(kLinesAt);
}
uint32_t* buckets() {
  return reinterpret_cast<uint32_t*>(kLineNumbersAt);
}

}  // namespace

uint32_t line_number(uint64_t address) {
  const uint32_t bits = configuration.i1.line_bits;
  const uint64_t line = address >> bits << bits;
  const uint64_t hash = (line >> bits) * 0x9e37'79b9'7f4a'7c15;
  auto bucket = static_cast<uint32_t>(hash >> 40);
  static_assert(kLineBuckets == 1u << 24);
  for (uint32_t number; (number = buckets()[bucket]) != 0; bucket = (bucket + 1) & (kLineBuckets - 1))
    if (lines()[number] == line) return number;
  if (line_count + 1 == kMaxLines) return 0;
  lines()[++line_count] = line;
  buckets()[bucket] = line_count;
  return line_count;
}

}  // namespace vsup::agent::cachesim
