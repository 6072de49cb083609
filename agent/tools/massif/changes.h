// Purpose: what each stack holds in the detailed snapshots, as a log of what has changed from one to the next: of a
// large program's stacks few change in between, so neither time nor memory goes to all the others.
// Assumes: one thread at a time, with the snapshots' lock.
#pragma once

#include <stdint.h>

namespace vsup::agent::massif {

// Of a stack whose bytes have changed for the first time since the last log_changes.
void list_changed(uint32_t stack);

// Appends what the listed stacks hold now. Returns the place in the log up to which a snapshot of this moment reads.
uint64_t log_changes();

// Where the log has become long, leaves out what only snapshots needed that have been dropped.
void shorten_log();

}  // namespace vsup::agent::massif
