// Purpose: blocks that a thread has left in the middle. The agent counts a block as a whole; here what was not executed
// is taken back, in a table of the thread's slot that is read with its other counts.
// Assumes: agent/tools/callgrind/records.h says where things lie; the thread stands still. Promises: trusts no number
// it reads; a table that is full takes no more places, so that those count too much.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/tools/callgrind/records.h"
#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor::callgrind {

class CutBlocks {
 public:
  explicit CutBlocks(const cachesim::Simulation& simulation) : simulation_(simulation) {}

  // An image of the process has ended.
  void forget(pid_t pid) { blocks_.erase(pid); }

  void add(pid_t pid, pid_t tid, uint64_t slot, const BlockLeft& left);

 private:
  // The latest block at each address; those that are made later are looked at when one is missing.
  struct Known {
    uint64_t seen = 0;
    std::unordered_map<uint64_t, uint32_t> latest;
  };
  struct Cut;
  std::optional<Cut> cut_of(pid_t pid, pid_t tid, const agent::callgrind::Header& header, const BlockLeft& left);
  std::optional<uint32_t> block_at(pid_t pid, pid_t tid, uint64_t blocks, uint64_t tag);
  void take_back_totals(pid_t tid, uint64_t slot, const Cut& cut) const;

  const cachesim::Simulation simulation_;
  std::map<pid_t, Known> blocks_;
};

// The places of a slot. Empty where there are none.
std::vector<agent::callgrind::CutRecord> read_cuts(pid_t tid, uint64_t slot);

}  // namespace vsup::supervisor::callgrind
