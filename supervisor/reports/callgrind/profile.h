// Purpose: what was counted in one process, as the agent saw it: addresses and numbers, no names. A reader of the
// agent's records fills it; group() turns it into functions and lines.
// Assumes: modules do not overlap. A reader that sees an address range change hands (dlclose, exec of new code) makes
// one Profile for each period.
// Promises: plain data, flat tables, so that 300,000 blocks are a handful of allocations.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor::callgrind {

// Where in the call stack code ran, for --separate-recs and --separate-callers. Index 0 is the plain one.
struct Context {
  uint32_t recursion = 1;                       // level of the function; from 2 on it shows in the name
  uint32_t first_caller = 0, caller_count = 0;  // in Profile::callers, nearest first
  uint64_t function = 0;                        // whose costs they are (--fn-group); 0: the code's own
};

// The instructions of a block, the same in every thread.
struct BlockShape {
  uint64_t pc = 0;
  uint32_t first_length = 0;  // in Profile::lengths
  uint32_t instruction_count = 0;
  uint32_t basic_blocks = 1;  // conditional jumps within it end one each
};

struct BlockCount {
  uint32_t shape = 0;    // in Profile::shapes
  uint32_t context = 0;  // in Profile::contexts
  uint64_t count = 0;    // times it ran from its first to its last instruction
  // With simulation: in ThreadProfile::simulated, instruction_count times (events - 1) numbers, by instruction.
  uint64_t first_simulated = kNotSimulated;
  uint32_t counters_moved = 0;  // of those numbers, in the process

  static constexpr uint64_t kNotSimulated = ~uint64_t{0};
};

struct CallEdge {
  uint64_t site = 0;    // address of the call or jump instruction
  uint64_t callee = 0;  // first instruction called
  uint32_t context = 0, callee_context = 0;
  uint64_t count = 0;
  uint64_t first_cost = 0;  // in ThreadProfile::inclusive, one number an event
};

struct JumpEdge {
  uint64_t from = 0, to = 0;  // of the jump instruction; where it goes
  uint32_t context = 0;
  bool conditional = false;
  uint64_t executed = 0, followed = 0;  // the same unless conditional
};

// A cost of one instruction that no block count gives: instructions after a fault in the middle of a block (negative),
// rounds of a rep instruction, system calls and their time.
struct ExtraCost {
  uint64_t pc = 0;
  uint32_t context = 0;
  uint32_t event = 0;  // in Profile::events
  int64_t value = 0;
};

struct ThreadProfile {
  uint32_t number = 1;  // 1 is the first thread
  std::vector<BlockCount> blocks;
  std::vector<CallEdge> calls;
  std::vector<JumpEdge> jumps;
  std::vector<ExtraCost> extra;
  std::vector<uint64_t> simulated;
  std::vector<uint64_t> inclusive;
};

// The calling-context tree, for true stacks. A parent comes before its children.
struct StackNode {
  static constexpr uint32_t kRoot = ~0u;
  uint32_t parent = kRoot;
  uint64_t function = 0;   // address of its first instruction
  uint64_t self_cost = 0;  // of event 0
};

struct ProcessFacts {
  pid_t pid = 0;
  std::string command;                       // program and arguments
  unsigned part = 1;                         // dumps are counted from 1
  std::string trigger;                       // "Program termination"
  uint64_t first_block = 0, last_block = 0;  // of the part, in blocks executed
  std::vector<std::string> descriptions;     // "I1 cache: 32768 B, 64 B, 8-way associative"
  std::vector<std::string> explanations;     // of events: "sysTime : sysTime (elapsed us)"
};

struct Profile {
  ProcessFacts process;
  std::vector<Module> modules;            // sorted by start, as ModuleMap makes them
  std::vector<std::string> events{"Ir"};  // [0] is the count of instructions itself
  std::vector<Context> contexts{Context{}};
  std::vector<uint64_t> callers;  // addresses of functions' first instructions
  std::vector<BlockShape> shapes;
  std::vector<uint8_t> lengths;  // of instructions, in bytes
  std::vector<ThreadProfile> threads;
  std::vector<StackNode> stacks;  // of all threads together; may be empty
  // That the agent had no room to count.
  uint64_t lost_blocks = 0, lost_sites = 0;
};

}  // namespace vsup::supervisor::callgrind
