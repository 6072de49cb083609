// Purpose: the tables of records.h as the agent fills them: the header of all, and the blocks with the lengths of their
// instructions, which callgrind and cachegrind both leave.
// Assumes: the engine lock.
#pragma once

#include "agent/engine/block.h"
#include "agent/engine/side_exits.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

inline Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}

// Whether add_block() may be called for it. The next block's index and first length are header()'s blocks and lengths.
inline bool has_room_for(uint32_t instructions) {
  return header().blocks + SideExits::kMostInBlock < kMaxBlocks && header().lengths + instructions <= kMaxLengths;
}

// Its lengths are those that are added next. Returns its index.
inline uint32_t add_record(AppPc pc, uint32_t count, uint32_t size) {
  Header& records = header();
  const auto index = static_cast<uint32_t>(records.blocks);
  reinterpret_cast<BlockRecord*>(kBlocksAt)[index] = {.app_pc = raw(pc),
                                                      .lengths = static_cast<uint32_t>(records.lengths),
                                                      .count = static_cast<uint16_t>(count),
                                                      .size = static_cast<uint16_t>(size)};
  records.blocks = index + 1;
  return index;
}

// Adds the part of `block`, which is the next to be added, up to `count` instructions.
inline void add_part(const Block& block, uint32_t count) {
  add_record(block.tag, count, kBlockPart);
}

// Returns its index.
inline uint32_t add_block(const Block& block) {
  Header& records = header();
  auto* lengths = reinterpret_cast<uint8_t*>(kLengthsAt) + records.lengths;
  for (uint32_t i = 0; i < block.count; ++i) lengths[i] = block.instructions[i].length;
  const uint32_t index = add_record(block.tag, block.count, block.size);
  records.lengths += block.count;
  return index;
}

}  // namespace vsup::agent::callgrind
