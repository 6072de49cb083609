// Purpose: those live blocks that have no place of their own in the chunk index, by address.
// Promises: 28 bytes of memory a block; threads use it at the same time; no system call but for a contended lock.
//
// 64 shards by the top bits of the address's hash, each a table by linear hashing: it grows by one bucket with each
// block beyond the number of buckets, so there is never a pause to rehash, and nothing ever moves.
#pragma once

#include "agent/heap/chunk_index.h"

namespace vsup::agent {

enum class TableInsertion {
  kNew,
  kReplaced,  // one at this address, which is left in `former`
  kFull,
};
TableInsertion table_insert(const HeapBlock& block, HeapBlock& former);

// Takes the block at `address` out; false: it is not known.
bool table_remove(uint64_t address, HeapBlock& block);

void table_lock_all();
void table_unlock_all();

}  // namespace vsup::agent
