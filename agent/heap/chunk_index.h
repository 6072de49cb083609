// Purpose: the live blocks of the app's heap, by address.
// Assumes: one thread at a time deals with one address, as allocators see to it; with two that do not, one of them
// wins. Promises: 32 bytes of memory a live block; threads use it at the same time; no system call but for a contended
// lock.
//
// 64 shards by the top bits of the address's hash, each a table by linear hashing: it grows by one bucket with each
// block beyond the number of buckets, so there is never a pause to rehash, and nothing ever moves.
#pragma once

#include <stdint.h>

namespace vsup::agent {

struct HeapBlock {
  uint64_t address;
  uint64_t size;     // as requested
  uint32_t stack;    // of the depot: who made it
  uint32_t epoch;    // HeapControl::epoch when it was made
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

bool chunk_find(uint64_t address, HeapBlock& block);

// Sets the mark of a block that is known.
void chunk_set_mark(uint64_t address, uint8_t mark);

// Calls `visit` for every block, in no order. While the world is stopped; visit must not change the index.
void chunk_for_each(void (*visit)(const HeapBlock& block, void* argument), void* argument);

// All locks, so that a fork copies a table that is whole.
void chunk_lock_all();
void chunk_unlock_all();

}  // namespace vsup::agent
