// Purpose: compressed sections of ELF files that nobody vouches for.
// Format: System V ABI, gabi41, Section Compression; RFC 1950, 1951. What is compressed in another way is left to
// libdw.
#pragma once

#include <elf.h>

#include <cstdint>
#include <span>

namespace vsup::supervisor {

// Of a section that takes `size` bytes in the file, of which `header` is the beginning: the size of its contents. 0: it
// is compressed in another way, or that cannot be.
uint64_t inflated_size(const Elf64_Chdr& header, uint64_t size);

// Whether `section`, its header included, inflates to exactly `to`.
bool inflate_section(std::span<const uint8_t> section, std::span<uint8_t> to);

}  // namespace vsup::supervisor
