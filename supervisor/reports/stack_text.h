// Purpose: a stack as Valgrind prints it: "   at 0x109210: inner (p.c:4)", "   by 0x1093AB: main (p.c:11)".
// Promises: pure; one line a frame, each with its newline.
#pragma once

#include <string>
#include <vector>

#include "supervisor/symbols/symbolizer.h"

namespace vsup::supervisor {

std::string stack_text(const std::vector<Frame>& frames);

}  // namespace vsup::supervisor
