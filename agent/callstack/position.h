// Purpose: where a walk is, C frames and Python's alike, and how it goes on: the next step follows from the position
// and from what the step reads.
#pragma once

#include "agent/callstack/unwind.h"

namespace vsup::agent {

struct Position {
  WalkState state;  // the next C frame
  // Of Python, when `python_started`: the next frame, 0 when there is none left; the next _PyCFrame.
  uint64_t python_frame = 0, python_cframe = 0;
  // In a call of the interpreter's loop, whose C frame `state` has left: the depot's frame for that C frame, if no
  // Python frame has taken its place yet.
  uint64_t loop_frame = 0;
  bool python_started = false, in_loop = false;

  bool operator==(const Position& other) const {
    return state.pc == other.state.pc && state.sp == other.state.sp && state.bp == other.state.bp &&
           python_frame == other.python_frame && python_cframe == other.python_cframe &&
           loop_frame == other.loop_frame && state.exact == other.state.exact &&
           state.bp_saved == other.state.bp_saved && python_started == other.python_started && in_loop == other.in_loop;
  }
};

}  // namespace vsup::agent
