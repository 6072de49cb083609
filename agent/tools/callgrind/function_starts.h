// Purpose: where functions start, from the search table in a module's .eh_frame_hdr, which lies in the app's memory.
// Source: Linux Standard Base Core, section 10.6.2 (version 1, table of datarel sdata4 pairs sorted by location).
#pragma once

#include "agent/engine/types.h"

namespace vsup::agent::callgrind {

struct FunctionRange {
  uint64_t start = 0, end = 0;  // end: of what the table says, the next function's start
};

// The function that holds `pc`; empty where no table says. Assumes the engine lock.
FunctionRange function_range(AppPc pc);
inline uint64_t function_start(AppPc pc) {
  return function_range(pc).start;
}

}  // namespace vsup::agent::callgrind
