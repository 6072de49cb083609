// Purpose: a Profile as callgrind shows it: costs, calls and jumps by function and position.
// Promises: every cost of the profile is in exactly one row, so the rows of a part sum to its totals.
// A block belongs to the function that holds its first instruction, as in callgrind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/reports/callgrind/code_map.h"
#include "supervisor/reports/callgrind/profile.h"

namespace vsup::supervisor::callgrind {

struct GroupOptions {
  bool by_instruction = false;  // else costs of one line are one row, and addresses are 0
  bool by_line = true;          // else files and lines are unknown
  bool separate_threads = false;
};

struct GroupedFunction {
  uint32_t object = 0, file = 0;
  uint32_t line = 0;
  uint64_t address = 0;
  std::string name;   // with recursion level and callers
  std::string plain;  // without
  bool named = true;  // else the name is an address
};

struct Position {
  uint64_t address = 0;  // link-time
  uint32_t file = 0, line = 0;
};

struct CostRow {
  uint32_t function = 0;
  Position at;
  uint64_t cost = 0;  // index into GroupedPart::costs, one number an event
};

struct CallRow {
  uint32_t function = 0, callee = 0;
  Position at;
  uint64_t callee_address = 0;
  uint32_t callee_line = 0;
  uint64_t count = 0;
  uint64_t cost = 0;  // index into GroupedPart::costs
};

struct JumpRow {
  uint32_t function = 0, target_function = 0;
  Position at, target;
  bool conditional = false;
  uint64_t executed = 0, followed = 0;
};

// All rows are sorted by function, then by address, else by file and line.
struct GroupedPart {
  uint32_t thread = 0;  // 0: all threads
  std::vector<CostRow> rows;
  std::vector<CallRow> calls;
  std::vector<JumpRow> jumps;
  std::vector<uint64_t> costs;
  std::vector<uint64_t> totals;  // one an event
};

struct Grouped {
  ProcessFacts process;
  std::vector<std::string> events;
  std::vector<std::string> objects, files;  // [0] is "???"
  std::vector<GroupedFunction> functions;
  std::vector<GroupedPart> parts;  // one, or one a thread
};

Grouped group(const Profile& profile, const GroupOptions& options, ModuleCodeCache& cache);

}  // namespace vsup::supervisor::callgrind
