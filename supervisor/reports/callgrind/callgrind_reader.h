// Purpose: read a callgrind.out again: ours or Valgrind's, for `vctl report`.
// Assumes: nothing about the text. Promises: pure; a line that makes no sense is skipped; nullopt if it is no such
// file.
#pragma once

#include <optional>
#include <string_view>

#include "supervisor/reports/callgrind/group.h"

namespace vsup::supervisor::callgrind {

// Jumps are left out, rows of one place are not merged, positions of callees are 0. A part of the file is a part here.
std::optional<Grouped> read_callgrind(std::string_view text);

}  // namespace vsup::supervisor::callgrind
