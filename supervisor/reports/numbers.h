// Purpose: numbers as Valgrind's reports show them.
#pragma once

#include <cstdint>
#include <string>

namespace vsup::supervisor {

// 1234567 as "1,234,567".
inline std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace vsup::supervisor
