// Purpose: where functions start, from the search table in a module's .eh_frame_hdr, which lies in the app's memory.
// Source: Linux Standard Base Core, section 10.6.2 (version 1, table of datarel sdata4 pairs sorted by location).
#pragma once

#include "agent/engine/types.h"

namespace vsup::agent::callgrind {

// The start of the function that holds `pc`, or 0 where no table says. Assumes the engine lock.
uint64_t function_start(AppPc pc);

}  // namespace vsup::agent::callgrind
