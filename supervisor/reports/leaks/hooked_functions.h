// Purpose: where the functions are that blocks come from, to be named in reports: the index knows what was called, not
// whose. Promises: trusts no number it reads.
#pragma once

#include <cstdint>
#include <map>

#include "protocol/heap.h"
#include "supervisor/session/stopped_process.h"
#include "supervisor/symbols/module_map.h"

namespace vsup::supervisor::leaks {

// Of several the one that another module puts in front of the C or C++ library's, or else the first.
std::map<protocol::HeapFunction, uint64_t> hooked_functions(const StoppedProcess& process, const ModuleMap& modules);

}  // namespace vsup::supervisor::leaks
