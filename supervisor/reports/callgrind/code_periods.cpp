#include "supervisor/reports/callgrind/code_periods.h"

#include <algorithm>

namespace vsup::supervisor::callgrind {

namespace records = agent::callgrind;

namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

Module module_of_code(const MappedModule& mapped) {
  MapEntry entry;
  entry.start = mapped.start;
  entry.end = mapped.end;
  entry.offset = mapped.offset;
  entry.readable = entry.executable = entry.file = true;
  entry.inode = mapped.inode;
  entry.path = mapped.path;
  entry.deleted = strip_deleted(entry.path);
  Module module;
  module.path = entry.path;
  module.start = entry.start;
  module.end = entry.end;
  module.inode = entry.inode;
  module.deleted = entry.deleted;
  module.mappings.push_back(std::move(entry));
  return module;
}

void CodePeriods::note(const MappedModule& module, uint64_t blocks) {
  if (module.inode == 0 || module.start >= module.end || periods_.size() == kMost) return;
  for (Period& earlier : periods_) {
    if (earlier.replaced || !module.overlaps(earlier.code)) continue;
    if (module.is_same_code(earlier.code)) return;
    earlier.replaced = true;
  }
  periods_.push_back({.code = module, .first_block = blocks});
}

void CodePeriods::apply(std::span<records::BlockRecord> blocks, std::span<records::EdgeRecord> edges,
                        std::span<uint64_t> passed, std::vector<Module>& modules) const {
  constexpr uint64_t kFirstPlace = uint64_t{1} << 63;
  std::vector<uint64_t> moved_by(periods_.size());
  uint64_t low = ~uint64_t{0}, high = 0, next_place = kFirstPlace;  // of all that was replaced
  std::vector<Module> gone;
  for (size_t i = 0; i < periods_.size(); ++i) {
    MappedModule code = periods_[i].code;
    const auto there =
        std::find_if(modules.begin(), modules.end(), [&](const Module& one) { return code.overlaps(one); });
    const bool is_there = there != modules.end() && there->inode == code.inode;
    if (is_there && !periods_[i].replaced) continue;
    if (there != modules.end() || periods_[i].replaced) {
      low = std::min(low, code.start);
      high = std::max(high, code.end);
      moved_by[i] = next_place - code.start;
      next_place += (code.end - code.start + kPage - 1) / kPage * kPage + kPage;
      code.start += moved_by[i];
      code.end += moved_by[i];
    }
    gone.push_back(module_of_code(code));
  }
  modules.insert(modules.end(), std::make_move_iterator(gone.begin()), std::make_move_iterator(gone.end()));
  std::sort(modules.begin(), modules.end(), [](const Module& a, const Module& b) { return a.start < b.start; });
  // To the last period that had begun; what is met before its code is executed belongs to the first.
  const auto move = [&](uint64_t& pc, uint64_t block) {
    if (pc < low || pc >= high) return;
    size_t found = periods_.size();
    for (size_t i = 0; i < periods_.size(); ++i) {
      if (pc < periods_[i].code.start || pc >= periods_[i].code.end) continue;
      if (found != periods_.size() && periods_[i].first_block > block) break;
      found = i;
    }
    if (found != periods_.size()) pc += moved_by[found];
  };
  for (size_t i = 0; i < blocks.size() && low < high; ++i) move(blocks[i].app_pc, i);
  for (size_t i = 0; i < edges.size() && low < high; ++i) {
    move(edges[i].site_pc, edges[i].blocks);
    move(edges[i].callee_pc, edges[i].blocks);
    for (uint64_t& pc : passed.subspan(edges[i].passed, edges[i].passed_count)) move(pc, edges[i].blocks);
  }
}

}  // namespace vsup::supervisor::callgrind
