// Purpose: copies of the Python code objects that stacks have passed through, so that they can be named when they are
// dead. Promises: no lock and no system call; a code object at the address of a dead one gets a record of its own.
#pragma once

#include <stdint.h>

#include "agent/callstack/read_log.h"
#include "protocol/callstack.h"

namespace vsup::agent {

// Index of the record of the code object at `code` (protocol::PythonCode), 0 when it does not look like one. What
// identifies it goes into the log, unless its end will be told of: then it is the same until code_ends changes.
uint32_t python_code(const protocol::PythonLayout& layout, uint64_t code, ReadLog& log);

// From now on `code_may_end` is called whenever memory is about to be freed that may be a code object's.
void code_ends_are_told();

// Memory is about to be freed; no code object is smaller than kLeastCodeSize bytes.
void code_may_end(uint64_t address);
inline constexpr uint64_t kLeastCodeSize = 128;

// Changes whenever a code object that was met may have ended.
uint64_t code_ends();

}  // namespace vsup::agent
