// Purpose: the simulated events of a thread, from the records of the simulation into a callgrind::Profile.
// Assumes: every thread of the process stands still. Promises: what the process left is checked before it is used.
#pragma once

#include <span>

#include "supervisor/reports/cachesim/cache_options.h"
#include "supervisor/reports/callgrind/profile.h"

namespace vsup::supervisor::cachesim {

class EventReader {
 public:
  // At the `end` of a process lines that are still cached are paid for.
  EventReader(const Simulation& simulation, bool end)
      : simulation_(simulation), events_(simulation.events()), pays_(end && simulation.line_use) {}

  std::vector<std::string> names() const;

  // Of all threads: the records of `count` instructions, whose counters are moved by as much as one of `moved`.
  bool read_instrs(pid_t tid, uint64_t count, std::span<const uint32_t> moved);

  // Fills thread.simulated for thread.blocks, and adds to thread.extra; `slot` is its address. False when it cannot be
  // read.
  bool read_thread(pid_t tid, uint64_t slot, const callgrind::Profile& profile, callgrind::ThreadProfile& thread) const;

  // `count` more (or fewer) executions of the instruction at `pc`, the one with this number: adds to thread.extra.
  void add_execution(uint64_t pc, uint32_t context, uint64_t instr, int64_t count,
                     callgrind::ThreadProfile& thread) const;

 private:
  bool pay(pid_t tid, uint64_t slot, std::vector<uint64_t>& counters) const;

  const Simulation simulation_;
  std::vector<agent::cachesim::Event> events_;
  std::vector<agent::cachesim::InstrRecord> instrs_;
  uint64_t counters_ = 0;  // in use
  bool pays_;
};

}  // namespace vsup::supervisor::cachesim
