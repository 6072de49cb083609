// Purpose: where in a module's file the instruction sequence of client requests ends, so that native code can be
// stopped there. Promises: each version of a file is looked through once, one without any once for all sessions; a
// file that cannot be read has no sites.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "supervisor/session/searched_code.h"

namespace vsup::supervisor {

// Offsets of the xchg of each sequence in `bytes`.
std::vector<uint64_t> find_request_sequences(std::span<const uint8_t> bytes);

class RequestSiteCache {
 public:
  // `searched_code`: where what has none is remembered, empty: nowhere.
  explicit RequestSiteCache(std::string searched_code = {}) : searched_(std::move(searched_code)) {}

  // File offsets, of the sequences that lie in [offset, offset + size).
  const std::vector<uint64_t>& of_file(const std::string& path, uint64_t offset, uint64_t size);

 private:
  struct Version {
    uint64_t device = 0, inode = 0;
    int64_t seconds = 0, nanoseconds = 0;  // of the last change
    int64_t status_seconds = 0, status_nanoseconds = 0;
    uint64_t size = 0;  // of the file
    bool operator==(const Version&) const = default;
  };
  struct Entry {
    Version version;
    std::vector<uint64_t> offsets;
  };
  bool search(int fd, uint64_t offset, uint64_t size, std::vector<uint64_t>& offsets);

  SearchedCode searched_;
  std::map<std::tuple<std::string, uint64_t, uint64_t>, Entry> files_;  // by path, offset, size
  std::vector<uint8_t> piece_ = std::vector<uint8_t>(128 << 10);        // stays in a processor's cache
};

}  // namespace vsup::supervisor
