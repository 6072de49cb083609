// Purpose: read another process's memory in small pieces, cheaply, while it stands still.
// Assumes: permission to ptrace it. Promises: an address that cannot be read gives false; pages are cached, so use one
// object per stop.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace vsup::supervisor {

class ProcessMemory {
 public:
  static constexpr uint64_t kPageSize = 4096;
  static constexpr size_t kMaxPages = 16384;

  explicit ProcessMemory(pid_t pid) : pid_(pid) {}

  bool read(uint64_t address, void* to, size_t size);

 private:
  using Page = std::array<uint8_t, kPageSize>;
  const Page* page(uint64_t start);

  pid_t pid_;
  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;  // null: not readable
};

}  // namespace vsup::supervisor
