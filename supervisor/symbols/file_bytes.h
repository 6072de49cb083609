// Purpose: bytes of a file that nobody vouches for: read whole or not at all, and within its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vsup::supervisor {

// Reads `size` bytes at `offset`; false where the file has fewer or cannot be read.
bool read_file(int fd, uint64_t offset, void* to, size_t size);

// Whether `size` bytes at `offset` lie within the first `limit`.
inline bool fits(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

// Two hexadecimal digits a byte, as build ids are written.
std::string hexadecimal(std::span<const uint8_t> bytes);

}  // namespace vsup::supervisor
