// Purpose: where a program's own pointers begin: its globals, stacks, thread-local storage and mapped memory, without
// what belongs to its allocators. Pure but for `read`.
#pragma once

#include <string>
#include <vector>

#include "supervisor/reports/leaks/block_table.h"
#include "supervisor/reports/leaks/memory_ranges.h"
#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor::leaks {

struct RootThread {
  uint64_t sp = 0;       // what lies below is dead, but for the red zone
  uint64_t pc = 0;       // 0: not known
  uint64_t fs_base = 0;  // thread pointer
  bool red_zone = true;  // it may use the bytes below sp
};

struct RootInput {
  const std::vector<MapEntry>& mappings;
  const Blocks& blocks;  // normalized
  std::vector<RootThread> threads;
  ReadMemory read;
  Range arena;            // the agent's
  bool all_blocks_known;  // false: the allocators' memory holds blocks from before, which may hold pointers
  std::vector<Range> python_arenas{};  // normalized; empty if blocks may be missing
};

// As Memcheck takes them (memcheck/mc_leakcheck.c, scan_memory_root_set): every mapping that can be read and written,
// but no device. Normalized.
std::vector<Range> find_roots(const RootInput& input);

// Where virtual tables may be, and code, for the heuristics: readable and executable mappings of files. Normalized.
std::vector<Range> readable_files(const std::vector<MapEntry>& mappings);
std::vector<Range> executable_files(const std::vector<MapEntry>& mappings);

}  // namespace vsup::supervisor::leaks
