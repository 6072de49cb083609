#include "supervisor/reports/callgrind/event_rows.h"

#include <algorithm>

#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/callgrind/open_frames.h"

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

bool EventRows::read(pid_t tid, uint64_t slot, uint64_t count, std::span<const records::StackRecord> stacks) {
  rows_.resize(std::min(count, records::event_rows(list_.count)) * list_.count);
  if (rows_.empty()) return true;
  return read_memory(tid, slot + records::kEventRowsOffset, rows_.data(), rows_.size() * sizeof rows_[0]) &&
         add_open(tid, slot, stacks);
}

bool EventRows::add_open(pid_t tid, uint64_t slot, std::span<const records::StackRecord> stacks) {
  uint64_t top = 0, totals[agent::cachesim::kEventCount] = {};
  if (!read_memory(tid, slot + records::kEventTopOffset, &top, sizeof top) ||
      !read_memory(tid, slot + agent::cachesim::kTotalsOffset, totals, sizeof totals))
    return false;
  for (const records::StackRecord& stack : stacks) {
    if (stack.owner != slot || stack.state != records::StackState::kRunning) continue;
    const OpenFrames open = open_frames(stack, top);
    std::vector<records::Frame> frames(open.count);
    if (!frames.empty() && !read_memory(tid, open.start, frames.data(), frames.size() * sizeof frames[0])) return false;
    for (const records::Frame& frame : frames) {
      if (frame.cost >= count()) continue;
      for (unsigned i = 0; i < list_.count; ++i)
        rows_[uint64_t{frame.cost} * list_.count + i] += totals[list_.events[i]];
    }
  }
  return true;
}

std::span<const uint64_t> EventRows::row(uint64_t index) const {
  if (index >= count()) return {};
  return std::span(rows_).subspan(index * list_.count, list_.count);
}

}  // namespace vsup::supervisor::callgrind
