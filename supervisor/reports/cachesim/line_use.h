// Purpose: at the end of a process, what the instructions owe for lines that are still cached, as if all were replaced.
// Assumes: every thread of the process stands still. Promises: trusts no number it reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "supervisor/reports/cachesim/cache_options.h"

namespace vsup::supervisor::cachesim {

// One thread's. The first levels come first: what was accessed there was accessed in the last level, too.
class LineUse {
 public:
  // Adds to `counters`, the thread's.
  LineUse(pid_t tid, uint64_t slot, std::vector<uint64_t>& counters) : tid_(tid), slot_(slot), counters_(counters) {}

  // False when the records cannot be read. `offset` is where the slot has the cache.
  bool replace_first_level(uint32_t offset, const Cache& cache);
  bool replace_last_level(const Cache& cache);

 private:
  struct Accessed {
    uint32_t count = 0, mask = 0;
  };

  template <typename Replace>
  bool for_each(uint32_t offset, const Cache& cache, Replace replace);
  void pay(const agent::cachesim::UseRecord& record, unsigned level, const Cache& cache);

  pid_t tid_;
  uint64_t slot_;
  std::vector<uint64_t>& counters_;
  std::map<uint32_t, Accessed> below_;  // by the index of the last level's record
};

}  // namespace vsup::supervisor::cachesim
