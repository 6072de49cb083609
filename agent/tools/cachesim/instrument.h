// Purpose: what a tool calls to have blocks simulated: the records of a block's instructions, and the code before each.
// Assumes: the engine lock is held. Promises: code is placed as engine/instrumenter.h asks.
//
// Accesses of several instructions are checked together before the first of them, as long as the registers of their
// addresses are known there: one spill and one look at the flags for all. Their order is kept.
#pragma once

#include "agent/engine/instrumenter.h"
#include "agent/tools/cachesim/records.h"

namespace vsup::agent::cachesim {

// From the settings. `ir_offset`, `collect_offset`, `moved_offset`: words of the thread's slot, as Configuration's.
// False: nothing is simulated.
bool configure(uint32_t ir_offset = 0, uint32_t collect_offset = 0, uint32_t moved_offset = 0);

// Counters that the block's first code increments, and adds the block's instructions to; as offsets from GS, 0: none.
struct BlockCounter {
  uint32_t executions, instructions;
};

// False when the tables are full: the block is not to be simulated.
bool begin(const Block& block, uint32_t first_instr, BlockCounter counter);

// What each execution of the block that was begun adds to the thread's totals, beside Ir; `offset` is from GS. For a
// tool that keeps them.
struct BlockTotals {
  struct {
    uint32_t offset, amount;
  } entries[5];
  unsigned count = 0;
};
BlockTotals block_totals(const Block& block);

// Counters of their own for a context in which `count` instructions, a block from `first_instr` on, are executed: what
// is to be added to the numbers of their counters; 0 when there is no room, so that they count with the others.
uint32_t add_context(uint32_t first_instr, uint32_t count);

void before(Emitter& out, const Block& block, uint32_t index, const Source& source);

// Of LinkKind::kTool exits.
bool owns(uint64_t cookie);
uint32_t exit_taken(protocol::ThreadContext& ctx, uint64_t cookie, uint32_t retry);

// The slot is a new thread's: its caches are empty.
void empty_caches(const protocol::ThreadContext& ctx);
// The slot's counts are an ancestor's or were taken: they start at 0.
void clear_counts(const protocol::ThreadContext& ctx);

}  // namespace vsup::agent::cachesim
