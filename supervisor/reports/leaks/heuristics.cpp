#include "supervisor/reports/leaks/heuristics.h"

#include <algorithm>

namespace vsup::supervisor::leaks {
namespace {

constexpr uint64_t kWord = 8;
constexpr unsigned kTableWords = 20;     // looked at for functions
constexpr unsigned kTableFunctions = 2;  // that make a virtual table
constexpr size_t kMaxTables = size_t{1} << 20;

bool may_be_pointer(uint64_t value) {
  return value % kWord == 0 && value >= kPageSize;
}

}  // namespace

uint64_t HeuristicFinder::word(uint64_t address) const {
  uint64_t value = 0;
  return read_(address, &value, kWord) == kWord ? value : 0;
}

bool HeuristicFinder::is_virtual_table(uint64_t address) {
  const auto known = tables_.find(address);
  if (known != tables_.end()) return known->second;
  if (tables_.size() >= kMaxTables) tables_.clear();
  return tables_[address] = find_virtual_table(address);
}

// Null pointers and pointers to code, two of these at least.
bool HeuristicFinder::find_virtual_table(uint64_t address) const {
  const Range* file = range_at(files_, address);
  if (file == nullptr) return false;
  unsigned functions = 0;
  for (unsigned i = 0; i <= kTableWords; ++i) {
    const uint64_t at = address + i * kWord;
    if (at + kWord > file->end) return false;
    const uint64_t function = word(at);
    if (function == 0) continue;
    if (range_at(code_, function) == nullptr) return false;
    if (++functions == kTableFunctions) return true;
  }
  return false;
}

uint8_t HeuristicFinder::find(const Block& block, uint64_t pointer) {
  if ((wanted_ & kPyObject) != 0 && python_.keeps(block, pointer)) return kPyObject;
  const uint64_t offset = pointer - block.start;
  // A block that is not aligned has no words to look at.
  if (wanted_ == 0 || block.start % kWord != 0 || offset % kWord != 0 || block.size < 2 * kWord) return kNoHeuristic;
  if (block_start_ != block.start) {
    block_start_ = block.start;
    first_ = starts_.word(block.start);
    second_ = starts_.word(block.start + kWord);
  }
  if ((wanted_ & kStdString) != 0 && offset == 3 * kWord && block.size > 3 * kWord &&
      second_ == block.size - 3 * kWord - 1 && first_ <= second_) {
    return kStdString;
  }
  if (offset == kWord && first_ > 0) {
    if ((wanted_ & kLength64) != 0 && first_ == block.size - kWord) return kLength64;
    if ((wanted_ & kNewArray) != 0 && (block.size - kWord) % first_ == 0) return kNewArray;
  }
  if ((wanted_ & kMultipleInheritance) != 0 && offset + kWord <= block.size && may_be_pointer(first_) &&
      is_virtual_table(first_)) {
    const uint64_t inner = word(pointer);
    if (may_be_pointer(inner) && is_virtual_table(inner)) return kMultipleInheritance;
  }
  return kNoHeuristic;
}

const char* heuristic_name(uint8_t heuristic) {
  switch (heuristic) {
    case kStdString:
      return "stdstring";
    case kLength64:
      return "length64";
    case kNewArray:
      return "newarray";
    case kMultipleInheritance:
      return "multipleinheritance";
    case kPyObject:
      return "pyobject";
    default:
      return "none";
  }
}

}  // namespace vsup::supervisor::leaks
