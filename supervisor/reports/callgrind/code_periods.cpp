#include "supervisor/reports/callgrind/code_periods.h"

#include <algorithm>
#include <string_view>

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

namespace {

constexpr uint64_t kPage = 4096;
constexpr std::string_view kDeleted = " (deleted)";

Module module_of(const std::string& path, uint64_t inode, uint64_t start, uint64_t end, uint64_t offset) {
  Module module;
  MapEntry entry;
  entry.start = start;
  entry.end = end;
  entry.offset = offset;
  entry.readable = entry.executable = entry.file = true;
  entry.inode = inode;
  entry.path = path;
  entry.deleted = path.ends_with(kDeleted);
  if (entry.deleted) entry.path.resize(path.size() - kDeleted.size());
  module.path = entry.path;
  module.start = start;
  module.end = end;
  module.inode = inode;
  module.deleted = entry.deleted;
  module.mappings.push_back(std::move(entry));
  return module;
}

}  // namespace

void CodePeriods::note(const MappedModule& module, uint64_t blocks) {
  if (module.inode == 0 || module.start >= module.end || periods_.size() == kMost) return;
  for (Period& earlier : periods_) {
    if (earlier.replaced || earlier.end <= module.start || module.end <= earlier.start) continue;
    if (earlier.path == module.path && earlier.inode == module.inode && earlier.start == module.start &&
        earlier.end == module.end && earlier.offset == module.offset)
      return;
    earlier.replaced = true;
    earlier.moved = next_place_ - earlier.start;
    next_place_ += (earlier.end - earlier.start + kPage - 1) / kPage * kPage + kPage;
  }
  periods_.push_back({.path = module.path,
                      .inode = module.inode,
                      .start = module.start,
                      .end = module.end,
                      .offset = module.offset,
                      .first_block = blocks});
}

// The last one that had begun; what is met before its code is executed belongs to the first.
uint64_t CodePeriods::moved(uint64_t pc, uint64_t block) const {
  const Period* found = nullptr;
  for (const Period& period : periods_) {
    if (pc < period.start || pc >= period.end) continue;
    if (found != nullptr && period.first_block > block) break;
    found = &period;
  }
  return found != nullptr && found->replaced ? pc + found->moved : pc;
}

void CodePeriods::apply(std::span<records::BlockRecord> blocks, std::span<records::EdgeRecord> edges,
                        std::vector<Module>& modules) const {
  uint64_t low = ~uint64_t{0}, high = 0;  // of all that was replaced
  std::vector<Module> gone;
  for (const Period& period : periods_) {
    if (period.replaced) {
      low = std::min(low, period.start);
      high = std::max(high, period.end);
      gone.push_back(
          module_of(period.path, period.inode, period.start + period.moved, period.end + period.moved, period.offset));
      continue;
    }
    const auto overlaps = [&period](const Module& module) {
      return module.start < period.end && period.start < module.end;
    };
    if (std::none_of(modules.begin(), modules.end(), overlaps))
      gone.push_back(module_of(period.path, period.inode, period.start, period.end, period.offset));
  }
  modules.insert(modules.end(), std::make_move_iterator(gone.begin()), std::make_move_iterator(gone.end()));
  std::sort(modules.begin(), modules.end(), [](const Module& a, const Module& b) { return a.start < b.start; });
  const auto move = [&](uint64_t& pc, uint64_t block) {
    if (pc >= low && pc < high) pc = moved(pc, block);
  };
  for (size_t i = 0; i < blocks.size() && low < high; ++i) move(blocks[i].app_pc, i);
  for (size_t i = 0; i < edges.size() && low < high; ++i) {
    move(edges[i].site_pc, edges[i].blocks);
    move(edges[i].callee_pc, edges[i].blocks);
    for (uint64_t& pc : edges[i].passed_pc) move(pc, edges[i].blocks);
  }
}

}  // namespace vsup::supervisor::callgrind
