// Purpose: the live blocks of the app's heap, by address.
// Assumes: one thread at a time deals with one address, as allocators see to it; with two that do not, one of them
// wins. Promises: threads use it at the same time; no system call but for a contended lock. Memory: 4 bytes for every
// 16 of the heap where small blocks are, in pages for 16 KiB of heap; 28 bytes for any other block.
//
// A small block is two cells at a place that follows from its address (protocol::PlacedBlock): no search, no lock, and
// what is close together in the heap is so here. The others are in a hash table (chunk_table).
#pragma once

#include <stdint.h>

namespace vsup::agent {

struct HeapBlock {
  uint64_t address;
  uint64_t size;     // as requested
  uint32_t stack;    // of the depot: who made it
  uint16_t slack;    // units of 16 bytes that it has beyond its size rounded up: it was shrunk in place
  uint8_t function;  // protocol::HeapFunction that made it
  uint8_t mark;      // a tool's own; 0 in a new block
  uint32_t present;  // 0: this is no block
};
static_assert(sizeof(HeapBlock) == 32);

// Enters the block. Had the index one at this address, whose end was not seen, it is taken out and left in `former`.
void chunk_insert(const HeapBlock& block, HeapBlock& former);

// Takes the block at `address` out; false: it is not known.
bool chunk_remove(uint64_t address, HeapBlock& block);

// Sets the mark of a block that is known.
void chunk_set_mark(uint64_t address, uint8_t mark);

// Has the processor fetch what chunk_insert needs for this address.
void chunk_expect(uint64_t address);

// All locks, so that a fork copies a table that is whole.
void chunk_lock_all();
void chunk_unlock_all();

}  // namespace vsup::agent
