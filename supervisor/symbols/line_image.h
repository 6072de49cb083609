// Purpose: a small ELF file in memory that has the line number sections of another one alone, inflated, for libdw.
// Assumes: nothing about the file.
#pragma once

#include <cstdint>
#include <vector>

#include "supervisor/symbols/elf_file.h"

namespace vsup::supervisor {

inline constexpr unsigned kLineImageProgram = 1;  // the section .debug_line

// Empty: it has none, or they cannot be read.
std::vector<uint8_t> line_image(const ElfFile& file);

}  // namespace vsup::supervisor
