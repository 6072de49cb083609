// Purpose: one basic block of the app, decoded.
#pragma once

#include "agent/engine/types.h"
#include "agent/x86/instr.h"

namespace vsup::agent {

inline constexpr uint32_t kMaxBlockInstructions = 256;

struct Block {
  AppPc tag;
  const uint8_t* bytes;                 // of the first instruction: app memory, or a snapshot of it
  uint32_t size;                        // app bytes of all instructions
  uint32_t count;                       // 0: the first instruction cannot be decoded
  uint64_t trusted_start, trusted_end;  // code beside the block that stays as it is while the block is in the cache
  Instr instructions[kMaxBlockInstructions];
};

}  // namespace vsup::agent
