// Purpose: keeps the unwind tables of processes up to date whose agents walk stacks and hook nothing.
// Promises: a file is looked at once in a session, whichever processes load it.
#pragma once

#include <functional>
#include <memory>

#include "supervisor/session/module_watch.h"

namespace vsup::supervisor {

// Makes the watch of one address space after the other.
std::function<std::unique_ptr<ModuleWatch>()> stack_table_watches();

}  // namespace vsup::supervisor
