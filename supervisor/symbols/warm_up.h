// Purpose: opens, while a program starts, the debug information that a report of it will most likely need: that of the
// program itself and of the C library. Inflating the C library's takes longer than a short program runs.
// Assumes: a thread that may take its time; the process may be gone by now.
#pragma once

#include <sys/types.h>

#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

void warm_up(Symbolizer& symbolizer, pid_t pid);
// The symbol tables of the module at this address, as soon as it has been loaded.
void warm_up_module(Symbolizer& symbolizer, pid_t pid, uint64_t address);

}  // namespace vsup::supervisor
