// Purpose: what options say of single functions, in the table that the supervisor fills (records.h, FunctionRecord).
// Assumes: the engine lock is held.
#pragma once

#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// The record of the function that begins at `pc`, or none.
const FunctionRecord* named_function(uint64_t pc);

// The same of one at whose calls and ends something is to be done.
const FunctionRecord* acting_function(uint64_t pc);

}  // namespace vsup::agent::callgrind
