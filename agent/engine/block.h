// Purpose: one basic block of the app, decoded.
#pragma once

#include "agent/engine/types.h"
#include "agent/x86/instr.h"

namespace vsup::agent {

inline constexpr uint32_t kMaxBlockInstructions = 256;

// Code that stays as it is while a block is in the cache; empty: none.
struct TrustedCode {
  uint64_t start, end;
};

struct Block {
  AppPc tag;
  const uint8_t* bytes;  // of the first instruction: app memory, or a snapshot of it
  uint32_t size;         // app bytes of all instructions
  uint32_t count;        // 0: the first instruction cannot be decoded
  TrustedCode trusted;   // around the block
  Instr instructions[kMaxBlockInstructions];
};

}  // namespace vsup::agent
