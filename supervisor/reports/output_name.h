// Purpose: what every tool says of a process image, and where it puts its file.
#pragma once

#include <string>

#include "supervisor/session/controller.h"

namespace vsup::supervisor {

// Program and arguments, with a space between two.
std::string command_line(const ProcessSummary& process);

// `pattern` (expand_log_name()'s, checked when options were parsed) for this image: in its directory unless absolute.
std::string output_name(const std::string& pattern, const ProcessSummary& process);

}  // namespace vsup::supervisor
