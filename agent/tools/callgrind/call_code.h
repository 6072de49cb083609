// Purpose: the inserted code that keeps the shadow stack: at calls, at jumps into other functions, at returns.
#pragma once

#include "agent/engine/rules.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// One execution of the block counts: `block` is its index, `instructions` its Ir.
void emit_count(Emitter& out, uint32_t block, uint32_t instructions, bool flags_dead, uint32_t offset);

// A call or jump whose callee is known.
void emit_direct_edge(Emitter& out, uint32_t edge, bool is_call, uint32_t offset);

// A call or jump through a register or memory; `head` starts the chain of its callees.
void emit_indirect_edge(Emitter& out, const Source& source, EdgeRecord* head, bool is_call);

// A return: leaves every function entered at or below the stack pointer.
void emit_return(Emitter& out, uint32_t offset);

}  // namespace vsup::agent::callgrind
