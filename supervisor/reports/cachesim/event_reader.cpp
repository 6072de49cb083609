#include "supervisor/reports/cachesim/event_reader.h"

#include <algorithm>

#include "supervisor/ptrace/tracee_memory.h"
#include "supervisor/reports/cachesim/line_use.h"

namespace vsup::supervisor::cachesim {

namespace {

namespace records = agent::cachesim;

using Values = std::array<uint64_t, records::kEventCount>;

uint64_t counters_of(const records::InstrRecord& record) {
  uint64_t count = 0;
  for (const records::GroupShape& group : records::kGroups)
    if ((record.groups & group.bit) != 0) count += group.counters;
  return count;
}

// What depends on the number of executions alone; Ir counts from 0.
void add_fixed(const records::InstrRecord& record, uint64_t executions, Values& values) {
  records::for_each_execution(record,
                              [&](records::Event event, uint64_t amount) { values[event] += executions * amount; });
}

void add_counted(const records::InstrRecord& record, uint64_t moved, const std::vector<uint64_t>& counters,
                 Values& values) {
  uint64_t next = record.first_counter + moved;
  if (next + counters_of(record) > counters.size()) return;
  for (const records::GroupShape& group : records::kGroups) {
    if ((record.groups & group.bit) == 0) continue;
    for (unsigned i = 0; i < group.counters; ++i) values[group.events[i]] += counters[next++];
  }
}

}  // namespace

std::vector<std::string> EventReader::names() const {
  std::vector<std::string> names;
  for (const records::Event event : events_) names.emplace_back(event_name(event));
  return names;
}

bool EventReader::read_instrs(pid_t tid, uint64_t count, std::span<const uint32_t> moved) {
  if (count > records::kMaxInstrs) return false;
  instrs_.resize(count);
  if (count != 0 && !read_memory(tid, records::kInstrsAt, instrs_.data(), count * sizeof instrs_[0])) return false;
  counters_ = 0;
  for (const records::InstrRecord& record : instrs_)
    counters_ = std::max(counters_, record.first_counter + counters_of(record));
  if (!moved.empty()) counters_ += *std::max_element(moved.begin(), moved.end());
  counters_ = std::min<uint64_t>(counters_, records::kMaxCounters);
  return true;
}

bool EventReader::pay(pid_t tid, uint64_t slot, std::vector<uint64_t>& counters) const {
  LineUse use(tid, slot, counters);
  return use.replace_first_level(records::kI1UsedOffset, simulation_.shapes.i1) &&
         use.replace_first_level(records::kD1UsedOffset, simulation_.shapes.d1) &&
         use.replace_last_level(simulation_.shapes.ll);
}

bool EventReader::read_thread(pid_t tid, uint64_t slot, const callgrind::Profile& profile,
                              callgrind::ThreadProfile& thread) const {
  std::vector<uint64_t> counters(counters_);
  if (counters_ != 0 && !read_memory(tid, slot + records::kCountersOffset, counters.data(), counters_ * 8))
    return false;
  if (pays_ && !pay(tid, slot, counters)) return false;
  // A block may be counted in several contexts. Where they have no counters of their own, all belongs to the first.
  std::vector<bool> seen(profile.shapes.size());
  for (callgrind::BlockCount& block : thread.blocks) {
    const callgrind::BlockShape& shape = profile.shapes[block.shape];
    if (uint64_t{shape.first_length} + shape.instruction_count > instrs_.size()) return false;
    block.first_simulated = thread.simulated.size();
    const bool own = block.counters_moved != 0;
    uint64_t pc = shape.pc;
    for (uint32_t i = 0; i < shape.instruction_count; ++i) {
      const records::InstrRecord& record = instrs_[shape.first_length + i];
      Values values{};
      add_fixed(record, block.count, values);
      if (own || !seen[block.shape]) add_counted(record, block.counters_moved, counters, values);
      for (size_t event = 1; event < events_.size(); ++event) thread.simulated.push_back(values[events_[event]]);
      if (const uint64_t rounds = values[records::kIr]; rounds != 0)
        thread.extra.push_back({.pc = pc, .context = block.context, .event = 0, .value = static_cast<int64_t>(rounds)});
      pc += profile.lengths[shape.first_length + i];
    }
    if (!own) seen[block.shape] = true;
  }
  return true;
}

void EventReader::add_execution(uint64_t pc, uint32_t context, uint64_t instr, int64_t count,
                                callgrind::ThreadProfile& thread) const {
  thread.extra.push_back({.pc = pc, .context = context, .event = 0, .value = count});
  if (instr >= instrs_.size()) return;
  Values values{};
  add_fixed(instrs_[instr], 1, values);
  for (uint32_t event = 1; event < events_.size(); ++event)
    if (const auto value = static_cast<int64_t>(values[events_[event]]); value != 0)
      thread.extra.push_back({.pc = pc, .context = context, .event = event, .value = count * value});
}

}  // namespace vsup::supervisor::cachesim
