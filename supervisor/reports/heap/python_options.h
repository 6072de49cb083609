// Purpose: what the options of python_options.def mean.
#pragma once

#include "protocol/agent_boot.h"
#include "supervisor/session/tool_options.h"

namespace vsup::supervisor {

void configure_python(const ToolOptionValues& options, protocol::AgentSettings& settings);

}  // namespace vsup::supervisor
