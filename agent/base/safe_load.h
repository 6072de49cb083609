// Purpose: reads a word of the app's memory that may not be mapped, at the cost of the load.
// How: the address of the load and where to go on lie in the table of Fixups that the supervisor consults at a fault.
#pragma once

#include <stdint.h>

namespace vsup::agent {

// False when the memory cannot be read.
[[gnu::always_inline]] inline bool safe_load(uint64_t address, uint64_t& value) {
  uint64_t loaded;
  asm goto(
      "1: mov (%[address]), %[loaded]\n"
      ".pushsection vsup_fixups, \"a\"\n"
      ".balign 4\n"
      ".long 1b - ., %l[fault] - .\n"
      ".popsection\n"
      : [loaded] "=r"(loaded)
      : [address] "r"(address)
      : "memory"
      : fault);
  value = loaded;
  return true;
fault:
  return false;
}

}  // namespace vsup::agent
