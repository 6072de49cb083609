// Purpose: entries of procedure linkage tables, told by their code, so that a call through one is a call of the
// function it leads to.
// Source: System V ABI, AMD64 supplement, section 5.2 (tables), and what binutils 2.40 writes with and without IBT.
#pragma once

#include "agent/engine/types.h"

namespace vsup::agent::callgrind {

struct PltEntry {
  uint64_t slot = 0;          // address of the word that it jumps through; 0: this is no entry
  uint32_t instructions = 0;  // its own
};

// [endbr64] [bnd] jmp *slot(%rip)
PltEntry plt_entry(uint64_t pc);

// Whether it is such an entry with what linkers write behind one: the push of its number, or padding. What binds its
// slot when it is called for the first time keeps the arguments, but not the flags (glibc's _dl_runtime_resolve), so
// nobody may count on them behind it; behind a jump through a pointer of the program's own somebody may.
bool forgets_flags(uint64_t pc);

// push slot(%rip) ; [bnd] jmp *slot(%rip): how the first entry of a table leads to the dynamic linker.
PltEntry plt_head(uint64_t pc);

// Where a word of the table leads that is not bound yet: [endbr64] push imm32 ; [bnd] jmp to the table's head.
struct UnboundEntry {
  uint64_t head = 0;      // 0: `pc` is no such place
  uint64_t resolver = 0;  // of the dynamic linker
};
UnboundEntry unbound_entry(uint64_t pc);

}  // namespace vsup::agent::callgrind
