// Purpose: tell whether an address can be a return address, by the bytes before it.
// Promises: true for every x86-64 call of up to 7 bytes (without prefixes); false positives are possible, as always
// when decoding backwards.
#pragma once

#include <cstdint>
#include <span>

namespace vsup::supervisor {

struct CallSite {
  enum class Kind : uint8_t { kNone, kDirect, kIndirect };
  Kind kind = Kind::kNone;
  uint64_t target = 0;  // of a direct call
};

// `before` is the 7 bytes below `return_address`.
CallSite call_before(std::span<const uint8_t, 7> before, uint64_t return_address);

}  // namespace vsup::supervisor
