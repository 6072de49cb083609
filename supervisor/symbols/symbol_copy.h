// Purpose: what libdw needs of an ELF file, in memory: a file with holes where code and data were, without the debug
// sections that nothing here reads (locations, macros, indexes), and with the compressed ones inflated behind its end.
// libdw by itself inflates all of them, with a slower library, on the first question.
// libdw maps files, and a mapped file that someone truncates kills the reader with SIGBUS: a copy is safe from that.
// Assumes: nothing about the file.
#pragma once

namespace vsup::supervisor {

// Takes `fd` over and gives the copy's descriptor; or `fd` itself where no copy is needed, or none can be made.
int symbol_copy(int fd);

}  // namespace vsup::supervisor
