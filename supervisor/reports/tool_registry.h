// Purpose: all tools that were built in: one folder below supervisor/reports each, found by the build.
#pragma once

#include <vector>

#include "supervisor/session/tool_report.h"

namespace vsup::supervisor {

// By name, "none" first.
const std::vector<const ToolDescription*>& all_tools();

// Null when there is none.
const ToolDescription* find_tool(std::string_view name);

}  // namespace vsup::supervisor
