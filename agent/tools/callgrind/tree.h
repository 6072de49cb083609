// Purpose: the calling-context tree of a process: a node for each way by which a function was reached, and the contexts
// that tell costs of one function apart. One tree for all threads, whose counts lie in their slots.
// Assumes: the engine lock is held. Promises: nodes and contexts stay where they are; when a table is full, what comes
// later counts in contexts that are there already.
#pragma once

#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

// Whether nodes are kept, and whether blocks are counted by context.
bool has_tree();
bool has_contexts();

// Makes the root. Call once.
void start_tree();

// The thread whose topmost frame is `caller` calls by `edge`: fills the table in which the cache code looks. With no
// room left the caller counts as the root from here on. Returns the table's value: the node, and from bit 32 its
// context.
uint64_t add_node(Frame& caller, uint32_t edge);

// The function of `running` executes a block in a context for the first time. With no room left the context becomes the
// plain one.
void add_counter(Frame& running, uint32_t block);

}  // namespace vsup::agent::callgrind
