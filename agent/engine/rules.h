// Purpose: the translation rules: how each kind of app instruction becomes cache code.
// Assumes: GS base is the thread context when the code runs. Promises: between app instructions every register and flag
// holds the app's value; inserted code leaves the flags alone.
#pragma once

#include "agent/engine/emitter.h"
#include "agent/x86/decoder.h"

namespace vsup::agent {

// One app instruction in its place.
struct Source {
  const uint8_t* bytes;
  AppPc pc;
  uint32_t offset;  // from the tag
  const Instr& instr;

  AppPc next() const { return advance(pc, instr.length); }
};

// Rules 1, 2, 9 and 10: instructions that fall through.
void translate_plain(Emitter& out, const Source& source);
void translate_rip_relative(Emitter& out, const Source& source);
void translate_gs(Emitter& out, const Source& source);
void translate_popf(Emitter& out, const Source& source);
// Whether rule 9 can do it: not with a vector index, a 32-bit address, a moffs, or pop.
bool can_translate_gs(const Instr& instr);

// mov rcx, r/m64 with the operand of an indirect branch: rcx is spilled already, and every register that the operand
// names still holds its app value. `spilled`: those that may not.
void emit_load_target(Emitter& out, const Source& source, uint16_t spilled = 0);

// Rules 3 to 8: instructions that end a block.
void translate_jump(Emitter& out, const Source& source);
// Emits only the taken side, the block goes on or exits at source.next(); inverted: only the other side.
void translate_cond_jump(Emitter& out, const Source& source, bool inverted);
void translate_loop(Emitter& out, const Source& source);
// The two halves of a call.
void translate_return_address(Emitter& out, const Source& source);
void translate_called(Emitter& out, const Source& source);
void translate_indirect(Emitter& out, const Source& source);
void translate_return(Emitter& out, const Source& source);

}  // namespace vsup::agent
