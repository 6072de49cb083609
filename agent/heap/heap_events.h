// Purpose: what the heap layer tells a tool: the app's allocator does the work, this is the bookkeeping beside it.
// Assumes: called by the app's threads, at the same time, native or in the code cache: no thread context, little stack,
// no call into the app. Promises: one event for each block and change, whichever functions call each other inside the
// allocator.
#pragma once

#include "agent/callstack/capture.h"
#include "agent/heap/chunk_index.h"

namespace vsup::agent {

struct HeapEvents {
  // The block is in the index.
  void (*allocated)(const HeapBlock& block);
  // The block is out of the index; the app's allocator frees it next.
  void (*freed)(const HeapBlock& block);
  // By realloc: `fresh` is in the index, `former` is not. They may have the same address.
  void (*resized)(const HeapBlock& former, const HeapBlock& fresh);

  // Around the copying of the address space: takes and gives back the tool's locks.
  void (*before_fork)();
  void (*after_fork)();

  // May be null. exit was called, at whose entry rsp was `sp`; the process is about to end by _exit, on the app's stack
  // and free to call functions of the app. True: the supervisor is to look at the process first, then it is called
  // again.
  void (*exit_called)(uint64_t sp);
  bool (*leaving)();

  // May be null. A thread that runs from the code cache has come to a hooked function or back from it, one of the
  // former two may follow; so many of the instructions executed since the last time were not the app's.
  void (*in_cache)(protocol::ThreadContext& ctx, unsigned own_instructions) = nullptr;

  unsigned depth;  // frames of each block's stack
  StackIds stack_ids = StackIds::kByFrames;
};

// None at first. Set once, before the first hook is placed.
void set_heap_events(const HeapEvents& events);
const HeapEvents& heap_events();

}  // namespace vsup::agent
