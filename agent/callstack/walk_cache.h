// Purpose: a thread's last walk, so that the next one takes only the steps that may lead elsewhere.
// How: a step follows from its position and from the words that it reads. Where a walk comes to a position of the last
// one, the rest of the way is the same if all words read on it are: they are compared, which costs a load each, and the
// stack's id is known from there out. Nothing is assumed about who calls what.
// Invariant: places and reads lie in the order from the outermost frame to the innermost. Those of the walk under way
// gather at the other end, in the same order.
//
// A program that allocates in turns at a few places of a function would walk the inner part of its stack each time, as
// the last walk was another one. So the inner parts of some walks are kept, up to where they met the walk before: what
// they read, and the stack that they led to. One that would read the same again need not be walked.
#pragma once

#include "agent/callstack/position.h"

namespace vsup::agent {

struct WalkPlace {
  Position position;    // before its step
  uint64_t frame;       // that the step puts down; 0: none
  uint32_t stack;       // the walked stack from this frame out
  uint16_t frames;      // from here out
  uint16_t first_read;  // of the step, up to the next place's; under way: how many reads there are, with the step's
};

struct InnerWalk {
  static constexpr unsigned kMaxReads = 20;

  uint64_t generation;  // the cache's; 0: none
  WalkState start;
  Position join;
  uint32_t outer, stack;  // walked stacks from the join out, from the start out
  uint16_t frames;        // that it adds to those of `outer`
  uint16_t read_count;
  // While the cache has this version: those of its reads that the way from the join on depends on.
  uint16_t outer_first, outer_end;
  uint64_t version;
  LoggedRead reads[kMaxReads];  // the outermost first
};

struct WalkCache {
  static constexpr unsigned kSets = 8, kWays = 4;
  static constexpr unsigned kMaxPlaces = 512, kMaxReads = 1536;
  // Deeper stacks are walked without it.
  static constexpr unsigned kMaxDepth = 96;

  uint64_t generation;  // of what else steps depend on
  uint64_t version;     // grows when places or reads change
  uint32_t count, read_count;
  uint32_t root;  // of the walked stacks
  bool complete;  // the outermost place is the last of its stack, not just of the walk
  WalkPlace places[kMaxPlaces];
  LoggedRead reads[kMaxReads];
  InnerWalk inner[kSets][kWays];
  uint8_t next_way[kSets];  // to be overwritten
};

}  // namespace vsup::agent
