#include "supervisor/reports/leaks/memory_ranges.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "supervisor/base/unique_fd.h"

namespace vsup::supervisor::leaks {

std::vector<Range> normalized(std::vector<Range> ranges) {
  for (Range& range : ranges) range.end = std::min(range.end, kAddressEnd);
  std::erase_if(ranges, [](const Range& range) { return range.start >= range.end; });
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
  std::vector<Range> joined;
  for (const Range& range : ranges) {
    if (!joined.empty() && range.start <= joined.back().end) {
      joined.back().end = std::max(joined.back().end, range.end);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::vector<Range> without(const std::vector<Range>& ranges, const std::vector<Range>& holes) {
  std::vector<Range> rest;
  size_t hole = 0;
  for (Range range : ranges) {
    while (hole < holes.size() && holes[hole].end <= range.start) ++hole;
    for (size_t i = hole; i < holes.size() && holes[i].start < range.end; ++i) {
      if (holes[i].start > range.start) rest.push_back({range.start, holes[i].start});
      range.start = std::max(range.start, holes[i].end);
    }
    if (range.start < range.end) rest.push_back(range);
  }
  return rest;
}

const Range* range_at(const std::vector<Range>& ranges, uint64_t address) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](uint64_t value, const Range& range) { return value < range.start; });
  if (after == ranges.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

std::vector<Range> present_parts(pid_t pid, const std::vector<Range>& ranges) {
  constexpr uint64_t kPresent = uint64_t{1} << 63,
                     kSwapped = uint64_t{1} << 62;  // Documentation/admin-guide/mm/pagemap
  const UniqueFd fd(open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ranges;
  std::vector<Range> present;
  std::vector<uint64_t> entries(uint64_t{16} << 10);
  for (const Range& range : ranges) {
    for (uint64_t page = range.start / kPageSize; page * kPageSize < range.end;) {
      const uint64_t wanted = std::min<uint64_t>(entries.size(), (range.end + kPageSize - 1) / kPageSize - page);
      const ssize_t got = pread(fd.get(), entries.data(), wanted * 8, static_cast<off_t>(page * 8));
      if (got < 8) return ranges;
      for (ssize_t i = 0; i < got / 8; ++i, ++page) {
        if ((entries[static_cast<size_t>(i)] & (kPresent | kSwapped)) == 0) continue;
        const uint64_t start = std::max(range.start, page * kPageSize),
                       end = std::min(range.end, (page + 1) * kPageSize);
        if (!present.empty() && present.back().end == start) {
          present.back().end = end;
        } else {
          present.push_back({start, end});
        }
      }
    }
  }
  return present;
}

ReadMemory read_process(pid_t pid) {
  return [pid](uint64_t address, void* to, size_t size) -> size_t {
    iovec local{to, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    const ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    return got < 0 ? 0 : static_cast<size_t>(got);
  };
}

uint64_t PageReader::word(uint64_t address) {
  const uint64_t page = address & ~(kPageSize - 1);
  if (page != page_) {
    page_ = page;
    size_ = read_(page, words_, sizeof words_);
  }
  return address % kPageSize + 8 <= size_ ? words_[address % kPageSize / 8] : 0;
}

}  // namespace vsup::supervisor::leaks
