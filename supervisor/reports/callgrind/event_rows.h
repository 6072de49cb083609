// Purpose: what calls of one thread cost in simulated events (agent/tools/callgrind/records.h, rows of event costs).
// Assumes: every thread of the process stands still. Promises: trusts no number it reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "agent/tools/callgrind/records.h"

namespace vsup::supervisor::callgrind {

class EventRows {
 public:
  // `flags` as agent::cachesim::Flag.
  explicit EventRows(uint64_t flags) : list_(agent::cachesim::simulated_events(flags)) {}

  // Of the thread whose slot lies at `slot`: those of the first `count` edges or nodes. Functions that are still open
  // have cost what they have up to now. False when it cannot be read.
  bool read(pid_t tid, uint64_t slot, uint64_t count, std::span<const agent::callgrind::StackRecord> stacks);

  // Costs of an edge or node in the simulated events, in their order; empty where there is no row.
  std::span<const uint64_t> row(uint64_t index) const;

 private:
  uint64_t count() const { return list_.count == 0 ? 0 : rows_.size() / list_.count; }
  bool add_open(pid_t tid, uint64_t slot, std::span<const agent::callgrind::StackRecord> stacks);

  agent::cachesim::EventList list_;
  std::vector<uint64_t> rows_;
};

}  // namespace vsup::supervisor::callgrind
