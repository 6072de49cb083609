// Purpose: the callgrind tool: executions of each block, and calls with their inclusive cost, by thread.
// Promises: no clean call; what it counts lies where records.h says.
#pragma once

namespace vsup::agent::callgrind {

void install();

}  // namespace vsup::agent::callgrind
