// Purpose: reads and writes a tracee's memory, read-only and not readable pages included.
// Promises: all or nothing is reported; false when the range is not mapped or the tracee has gone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace vsup::supervisor {

bool read_memory(pid_t tid, uint64_t address, void* to, size_t size);
bool write_memory(pid_t tid, uint64_t address, const void* from, size_t size);

template <typename T>
bool read_value(pid_t tid, uint64_t address, T& to) {
  return read_memory(tid, address, &to, sizeof to);
}

template <typename T>
bool write_value(pid_t tid, uint64_t address, const T& from) {
  return write_memory(tid, address, &from, sizeof from);
}

struct RemotePiece {
  uint64_t address;
  const void* from;
  size_t size;  // bytes
};

// At most 8 of them, in one system call where that is allowed.
bool write_pieces(pid_t tid, std::span<const RemotePiece> pieces);

// A NUL-terminated string of at most `limit` bytes.
std::optional<std::string> read_string(pid_t tid, uint64_t address, size_t limit);

}  // namespace vsup::supervisor
