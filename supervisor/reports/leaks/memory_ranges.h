// Purpose: ranges of a process's memory, which of them have memory behind them, and how they are read.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace vsup::supervisor::leaks {

inline constexpr uint64_t kAddressEnd = uint64_t{1} << 47;  // of user space
inline constexpr uint64_t kPageSize = 4096;

struct Range {
  uint64_t start = 0, end = 0;  // end is the first byte after
};

// Sorted, without overlaps, touching ones joined; what lies outside user space is dropped.
std::vector<Range> normalized(std::vector<Range> ranges);

// What is in `ranges` and not in `holes`, both normalized.
std::vector<Range> without(const std::vector<Range>& ranges, const std::vector<Range>& holes);

// The one that holds `address`, of normalized ranges; null: none.
const Range* range_at(const std::vector<Range>& ranges, uint64_t address);

// Those parts of `ranges` (normalized) that have memory behind them: a page that was never touched is zero. All of them
// if /proc/PID/pagemap cannot be read.
std::vector<Range> present_parts(pid_t pid, const std::vector<Range>& ranges);

// Reads up to `size` bytes; returns how many, 0 if not even the first. May be called by several threads at once.
using ReadMemory = std::function<size_t(uint64_t address, void* to, size_t size)>;

ReadMemory read_process(pid_t pid);

// Words of a process that stands still, for those who ask for many of one page in a row.
class PageReader {
 public:
  explicit PageReader(const ReadMemory& read) : read_(read) {}

  // `address` is a multiple of 8. 0: not readable.
  uint64_t word(uint64_t address);

 private:
  const ReadMemory& read_;
  uint64_t page_ = ~uint64_t{0};
  size_t size_ = 0;
  uint64_t words_[kPageSize / 8];
};

}  // namespace vsup::supervisor::leaks
