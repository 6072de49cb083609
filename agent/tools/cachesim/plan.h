// Purpose: what is simulated of the block that is being translated, decided before its code is emitted: the record of
// each instruction, its accesses, and which of them are checked together.
// Assumes: the engine lock is held; one block at a time, from begin() (instrument.h) on.
#pragma once

#include "agent/tools/cachesim/accesses.h"
#include "agent/tools/cachesim/instrument.h"
#include "agent/tools/cachesim/state.h"

namespace vsup::agent::cachesim {

constexpr uint32_t kMaxGroupEvents = 24;
constexpr uint32_t kMaxBlockAccesses = 320;

struct PlannedInstr {
  InstrRecord record;
  uint32_t flags_read, flags_written;
  uint16_t gpr_written;
  uint16_t first_access;
  uint8_t access_count;
  Repetition repetition;
  uint8_t untaken;   // branches
  bool fetches;      // its line is not the one of the instruction before
  bool fetch_first;  // of two lines, the first is not known to be the last used
  uint32_t first_line, second_line;
};

// Of the block that is being translated.
struct Plan {
  bool simulated;
  uint32_t planned;  // instructions whose accesses have been emitted
  uint32_t access_count;
  BlockCounter counter;
  PlannedInstr instrs[kMaxBlockInstructions];
  DataAccess accesses[kMaxBlockAccesses];
};
extern Plan plan;

// The number of a group's first counter.
uint32_t counter_of(const InstrRecord& record, Group wanted);

// begin() has seen to it that there is room.
uint32_t add_descriptor(const Descriptor& place);

struct GroupEvent {
  uint16_t instr;
  bool is_fetch;
  uint64_t pc, next_pc;
  DataAccess access;
};

// The group that starts at an instruction: what it checks, in order.
struct AccessGroup {
  uint32_t count;
  uint32_t end;  // first instruction after it
  uint16_t registers;
  bool accesses;
  GroupEvent events[kMaxGroupEvents + kMaxAccesses + 1];
};
extern AccessGroup group;

// Fills in the group that starts at an instruction, whose address is `pc`.
void gather(const Block& block, uint32_t start, uint64_t pc);

}  // namespace vsup::agent::cachesim
