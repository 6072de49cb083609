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
inline bool has_room_for(const Block& block) {
  return header().blocks + SideExits::kMostInBlock < kMaxBlocks && header().lengths + block.count <= kMaxLengths;
}

// Whether it may be called for any block.
inline bool has_room_for_any() {
  return header().blocks + SideExits::kMostInBlock < kMaxBlocks &&
         header().lengths + kMaxBlockInstructions <= kMaxLengths;
}

// Adds the part of `block`, which is the next to be added, up to `count` instructions. Returns its index.
inline uint32_t add_part(const Block& block, uint32_t count) {
  Header& records = header();
  const auto index = static_cast<uint32_t>(records.blocks);
  reinterpret_cast<BlockRecord*>(kBlocksAt)[index] = {.app_pc = raw(block.tag),
                                                      .lengths = static_cast<uint32_t>(records.lengths),
                                                      .count = static_cast<uint16_t>(count),
                                                      .size = kBlockPart};
  records.blocks = index + 1;
  return index;
}

// Returns its index.
inline uint32_t add_block(const Block& block) {
  Header& records = header();
  const auto index = static_cast<uint32_t>(records.blocks);
  const auto first = static_cast<uint32_t>(records.lengths);
  auto* lengths = reinterpret_cast<uint8_t*>(kLengthsAt) + first;
  for (uint32_t i = 0; i < block.count; ++i) lengths[i] = block.instructions[i].length;
  reinterpret_cast<BlockRecord*>(kBlocksAt)[index] = {.app_pc = raw(block.tag),
                                                      .lengths = first,
                                                      .count = static_cast<uint16_t>(block.count),
                                                      .size = static_cast<uint16_t>(block.size)};
  records.lengths += block.count;
  records.blocks = index + 1;
  return index;
}

}  // namespace vsup::agent::callgrind
