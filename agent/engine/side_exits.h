// Purpose: the code of conditional jumps that leave a block in its middle, behind the blocks of a row.
// Assumes: the engine lock; nobody can reach the row yet. Promises: a place in this code has the state of its jump's
// block, as a fragment that is never looked up.
#pragma once

#include "agent/engine/emitter.h"
#include "agent/engine/instrumenter.h"

namespace vsup::agent {

class SideExits {
 public:
  // Most of one block, and blocks of one row.
  static constexpr unsigned kMostInBlock = 4;
  static constexpr unsigned kMostBlocks = 8;

  struct Jump {
    uint8_t* place;   // its rel32
    AppPc tag;        // of the block,
    uint32_t size;    // which has so many bytes,
    uint32_t behind;  // of which these come before what follows the jump
    AppPc target;
    SideExit counts;
  };
  void add(const Jump& jump) { jumps_[count_++] = jump; }

  // Emits the code of all.
  void emit() const;

 private:
  Jump jumps_[kMostInBlock * kMostBlocks];
  unsigned count_ = 0;
};

}  // namespace vsup::agent
