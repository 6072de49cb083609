// Purpose: the modules of processes whose heap a tool watches: where their allocation functions are, and the unwind
// tables that the agent walks stacks by.
// Promises: a file is looked at once in a session, whichever processes load it.
#pragma once

#include <functional>
#include <memory>

#include "supervisor/session/module_watch.h"
#include "supervisor/symbols/allocation_functions.h"

namespace vsup::supervisor {

// Makes the watch of one address space after the other; all share what is known of files.
std::function<std::unique_ptr<ModuleWatch>()> heap_module_watches(const protocol::AgentSettings& settings,
                                                                  NamedFunctions named);

}  // namespace vsup::supervisor
