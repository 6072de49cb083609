// Purpose: copies of the Python code objects that stacks have passed through, so that they can be named when they are
// dead. Promises: no lock and no system call; a code object at the address of a dead one gets a record of its own.
#pragma once

#include <stdint.h>

#include "agent/callstack/read_log.h"
#include "protocol/callstack.h"

namespace vsup::agent {

// Index of the record of the code object at `code` (protocol::PythonCode), 0 when it does not look like one. What
// identifies it goes into the log.
uint32_t python_code(const protocol::PythonLayout& layout, uint64_t code, ReadLog& log);

}  // namespace vsup::agent
