// Purpose: which line number program of a file has the lines of which code, without the debug information of the
// compilations: to inflate that of the C library takes longer than a short program runs.
// Assumes: nothing about the bytes. Promises: what is damaged, or says too little by itself, gives no answer.
// Format: DWARF 5, section 6.2. Programs of earlier versions do not name the compilation's directory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vsup::supervisor {

// A sequence of one of them: its code, and where the program begins in .debug_line.
struct LineSequence {
  uint64_t start, end;
  uint64_t program;
};

// All of a .debug_line, in its order. Nothing: something in it needs other sections than .debug_line_str.
std::optional<std::vector<LineSequence>> line_sequences(std::span<const uint8_t> debug_line);

}  // namespace vsup::supervisor
