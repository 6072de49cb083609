#include "supervisor/reports/cachesim/line_use.h"

#include <algorithm>

#include "supervisor/ptrace/tracee_memory.h"

namespace vsup::supervisor::cachesim {

namespace records = agent::cachesim;

template <typename Replace>
bool LineUse::for_each(uint32_t offset, const Cache& cache, Replace replace) {
  const uint64_t lines = cache.size / cache.line;
  const uint64_t first = slot_ + offset + 8 * lines;
  std::vector<records::UseRecord> part(std::min<uint64_t>(lines, 1 << 16));
  for (uint64_t at = 0; at < lines; at += part.size()) {
    const uint64_t count = std::min<uint64_t>(part.size(), lines - at);
    if (!read_memory(tid_, first + at * sizeof part[0], part.data(), count * sizeof part[0])) return false;
    for (uint64_t i = 0; i < count; ++i)
      if (part[i].owner != 0) replace(static_cast<uint32_t>(at + i), part[i]);
  }
  return true;
}

void LineUse::pay(const records::UseRecord& record, unsigned level, const Cache& cache) {
  const uint64_t counter = uint64_t{record.owner} - 1 + 2 * level;
  if (counter + 1 >= counters_.size()) return;
  counters_[counter] += records::access_cost(record);
  counters_[counter + 1] += records::spatial_loss(record, static_cast<uint32_t>(cache.line));
}

bool LineUse::replace_first_level(uint32_t offset, const Cache& cache) {
  return for_each(offset, cache, [&](uint32_t, const records::UseRecord& record) {
    if (record.count == 0) return;
    pay(record, 0, cache);
    Accessed& accessed = below_[record.below];
    accessed.count += record.count;
    accessed.mask |= record.mask;
  });
}

bool LineUse::replace_last_level(const Cache& cache) {
  return for_each(records::kLLOffset, cache, [&](uint32_t index, records::UseRecord record) {
    if (const auto found = below_.find(index); found != below_.end()) {
      record.count += found->second.count;
      record.mask |= found->second.mask;
    }
    if (record.count != 0) pay(record, 1, cache);
  });
}

}  // namespace vsup::supervisor::cachesim
