// Purpose: a few symbols of an ELF file by name, functions and objects alike.
// Assumes: nothing about the file. Promises: .symtab first, then .dynsym; nothing is kept.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

struct ElfSymbol {
  uint64_t value = 0, size = 0;  // link-time address
};

// Those of `names` that the file defines.
std::map<std::string, ElfSymbol, std::less<>> find_symbols(const ElfFile& file,
                                                           const std::vector<std::string_view>& names);

}  // namespace vsup::supervisor
