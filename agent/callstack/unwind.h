// Purpose: walks the app's stack by the rules that the supervisor has compiled from the modules' call frame
// information. Assumes: the thread's own stack, in app terms, walked by that thread; nothing about what lies there.
// Promises: no system call, no lock, no thread context: in native code and in the cache alike, signal handlers
// included. Bad memory ends the walk.
#pragma once

#include <stdint.h>

#include "agent/callstack/read_log.h"

namespace vsup::agent {

struct WalkState {
  uint64_t pc, sp, bp;
  bool exact = false;    // pc is about to be executed; otherwise it is a return address
  bool guessed = false;  // found by frame pointer
  // `bp` is where rbp's value has been saved: few frames need it, and whatever else a program keeps in that register
  // would make equal walks differ.
  bool bp_saved = false;
};

enum class WalkStep { kCaller, kEnd, kLost };

// From a frame to its caller. kEnd: there is none; kLost: there is no telling, nor a frame pointer to go by.
WalkStep step_to_caller(WalkState& state, ReadLog& log);

// Changes when a step may that has been possible: modules went. Where others come, steps become possible.
uint64_t unwind_epoch();

}  // namespace vsup::agent
