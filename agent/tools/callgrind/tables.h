// Purpose: the tables of records.h as the agent fills them: the header of all, and the blocks with the lengths of their
// instructions, which callgrind and cachegrind both leave.
// Assumes: the engine lock.
#pragma once

#include "agent/engine/block.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

inline Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}

// Whether add_block() may be called for it. The next block's index and first length are header()'s blocks and lengths.
inline bool has_room_for(uint32_t instructions) {
  return header().blocks < kMaxBlocks && header().lengths + instructions <= kMaxLengths;
}

inline BlockRecord* block_records() {
  return reinterpret_cast<BlockRecord*>(kBlocksAt);
}

inline uint8_t* length_table() {
  return reinterpret_cast<uint8_t*>(kLengthsAt);
}

// Returns its index.
inline uint32_t add_record(const BlockRecord& record) {
  const auto index = static_cast<uint32_t>(header().blocks);
  block_records()[index] = record;
  header().blocks = index + 1;
  return index;
}

// How many of the block's instructions its first bytes are.
inline uint32_t instructions_in(const BlockRecord& block, uint32_t bytes) {
  const uint8_t* lengths = length_table() + block.lengths;
  uint32_t count = 0;
  for (uint32_t at = 0; at < bytes && count < block.count; ++count) at += lengths[count];
  return count;
}

// Adds the part of block `index` that its first `count` instructions are, behind `passed` conditional jumps; there is
// room for it (has_room_for(0)). Returns its index.
inline uint32_t add_part(uint32_t index, uint32_t count, uint32_t passed) {
  BlockRecord part = block_records()[index];
  part.count = static_cast<uint16_t>(count);
  part.passed = passed & 7;
  part.is_part = 1;
  return add_record(part);
}

// Returns its index.
inline uint32_t add_block(const Block& block) {
  Header& records = header();
  uint8_t* lengths = length_table() + records.lengths;
  uint16_t passed = 0;
  for (uint32_t i = 0; i < block.count; ++i) {
    lengths[i] = block.instructions[i].length;
    if (block.instructions[i].flow == Flow::kCondJump && i + 1 < block.count) ++passed;
  }
  const uint32_t index = add_record({.app_pc = raw(block.tag),
                                     .lengths = static_cast<uint32_t>(records.lengths),
                                     .count = static_cast<uint16_t>(block.count),
                                     .size = static_cast<uint16_t>(block.size & 0xfff),
                                     .passed = static_cast<uint16_t>(passed & 7),
                                     .is_part = 0});
  records.lengths += block.count;
  return index;
}

}  // namespace vsup::agent::callgrind
