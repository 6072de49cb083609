// Purpose: direct exits: where they lead when emitted, and patching them when their target comes to life.
// Assumes: the engine lock is held. Other threads may execute the code that is patched.
#pragma once

#include "agent/engine/emitter.h"
#include "agent/engine/fragment_table.h"

namespace vsup::agent {

// Emits a direct branch (jmp, or the jcc of condition opcode `jcc`, 0x80 to 0x8f) to the fragment of `target`, or to a
// new stub.
void emit_exit(Emitter& out, LinkKind kind, AppPc target, uint8_t jcc = 0);

// Emits an exit that hands `cookie` to the tool; the thread then goes on at `retry`, where its state must be exact.
void emit_tool_exit(Emitter& out, uint64_t cookie, const uint8_t* retry);

// The same, reached from elsewhere, with what is to be done before in `door`: code in the cold area, shared with other
// exits, that ends in a jump to the agent's exit. Returns where it begins.
const uint8_t* add_tool_exit(const uint8_t* door, uint64_t cookie, const uint8_t* retry);

// A tool exit that is seldom taken, out of the way in the cold area: what is emitted into `out`, then the exit.
class ColdToolExit {
 public:
  ColdToolExit() : out(code_cache.cold(), nullptr), start_(out.here()) {}
  // Where it begins. Nothing else may be put into the cold area before.
  const uint8_t* finish(uint64_t cookie, const uint8_t* retry);

  Emitter out;

 private:
  const uint8_t* start_;
};

// Where the conditional jump of a SideRecord leads until it is followed.
const uint8_t* add_side_stub(AppPc target, uint32_t number);

// Emits an exit after an instruction of `length` bytes at `pc` that has stored the x87 instruction pointer.
void emit_x87_exit(Emitter& out, AppPc pc, uint32_t length);

// Has the branch whose rel32 is at `site`, emitted behind align_patch_site, lead to `target`: offsets from kCacheBase.
void patch_branch(uint32_t site, uint32_t target);

// Patches the exit of record `link` to lead to fragment `index`.
void link_exit(uint32_t link, uint32_t index);

// Turns the entry of `removed`, a checked fragment, into a jump to `replacement`.
void forward_fragment(uint32_t removed, uint32_t replacement);

}  // namespace vsup::agent
