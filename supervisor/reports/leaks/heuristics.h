// Purpose: why a program may keep a pointer into the middle of a block and none to its start, as Memcheck knows it, and
// for CPython's objects.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/memory_ranges.h"
#include "supervisor/reports/leaks/python_objects.h"

namespace vsup::supervisor::leaks {

// Bits of --leak-check-heuristics.
enum Heuristic : uint8_t {
  kNoHeuristic = 0,
  kStdString = 1,            // length, capacity, count of references, characters: pointer to the characters
  kLength64 = 2,             // a 64-bit length before the bytes, as sqlite keeps it
  kNewArray = 4,             // the number of elements before the elements of new T[n]
  kMultipleInheritance = 8,  // pointer to a base class within the object: both places hold virtual tables
  kPyObject = 16,            // a Python object behind its garbage collector's header, or an instance's values
};
inline constexpr unsigned kHeuristicCount = 5;
inline constexpr unsigned kAllHeuristics = 31;

// "stdstring", "length64", ... as in --leak-check-heuristics=.
const char* heuristic_name(uint8_t heuristic);

class HeuristicFinder {
 public:
  // `files`: readable mappings of files, where virtual tables may be; `code`: executable ones. Both normalized.
  HeuristicFinder(unsigned wanted, const std::vector<Range>& files, const std::vector<Range>& code,
                  const ReadMemory& read)
      : wanted_(wanted), files_(files), code_(code), read_(read), starts_(read), python_(read) {}

  // The heuristic by which `pointer`, which points into `block` but not to its start, keeps it, or kNoHeuristic.
  // (memcheck/mc_leakcheck.c, heuristic_reachedness, of Valgrind 3.19; kPyObject is our own.)
  uint8_t find(const Block& block, uint64_t pointer);

 private:
  uint64_t word(uint64_t address) const;  // 0: not readable
  bool is_virtual_table(uint64_t address);
  bool find_virtual_table(uint64_t address) const;

  unsigned wanted_;
  const std::vector<Range>& files_;
  const std::vector<Range>& code_;
  const ReadMemory& read_;
  PageReader starts_;
  PythonObjects python_;
  std::unordered_map<uint64_t, bool> tables_;
  // Of the block asked for last: pointers into one block come together.
  uint64_t block_start_ = 0;
  uint64_t first_ = 0, second_ = 0;
};

}  // namespace vsup::supervisor::leaks
