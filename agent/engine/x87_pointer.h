// Purpose: the address of the last x87 instruction, which the processor remembers and some instructions store: in the
// code cache it is a cache pc, and the app must see its own.
// Source: Intel SDM volume 1, 8.1.8 and 8.1.10 (environments), 10.5.1 (fxsave), 13.4.1 (xsave).
#pragma once

#include "agent/x86/instr.h"
#include "protocol/agent_boot.h"

namespace vsup::agent {

// Whether `instr` stores that address: fnstenv, fnsave, fxsave and xsave in their forms.
bool stores_x87_pointer(const Instr& instr);

// After the instruction at `pc` has stored it from the cache: puts the app's address in its place. The
// registers in `ctx` are those after the instruction. Assumes the engine lock.
void correct_x87_pointer(const protocol::ThreadContext& ctx, uint64_t pc);

}  // namespace vsup::agent
