// Purpose: the frames of Python functions on a stack, in place of the C frames of the interpreter's loop.
// Assumes: the thread's own stack; the layout is that of the interpreter, as far as the supervisor could tell.
// Promises: no lock, no system call, no call into the interpreter, and it need not hold the GIL: a thread's frames are
// changed by that thread alone. What does not look like a frame is left out and counted.
#pragma once

#include <stdint.h>

#include "agent/callstack/position.h"
#include "protocol/callstack.h"

namespace vsup::agent {

class PythonWalk {
 public:
  PythonWalk();

  protocol::PythonStacks stacks() const { return layout_ != nullptr ? layout_->stacks : protocol::kPythonStacksNo; }

  // Whether enter_loop is to be asked about a C frame with this pc.
  bool concerns(uint64_t pc) const { return pc - code_start_ < code_size_; }

  // If `inner`, the C frame that `at` has just left, is one of the interpreter's loop: the steps that follow are those
  // of the Python frames that it executes, innermost first. C frames are to be asked about from the inside out.
  bool enter_loop(const WalkState& inner, uint64_t frame, Position& at, ReadLog& log);

  // One of them; returns the depot's frame, or 0 where there is none.
  uint64_t step_in_loop(Position& at, ReadLog& log);

  // All Python frames of the thread.
  unsigned all_frames(uint64_t* frames, unsigned room);

 private:
  void start(Position& at, ReadLog& log);
  bool is_loop(const WalkState& inner, const Position& at) const;
  bool is_loop_code(const WalkState& inner) const;
  bool find_other_chain(const WalkState& inner, Position& at, ReadLog& log) const;
  uint64_t take_frame(uint64_t frame, ReadLog& log);
  bool ends_call(uint64_t frame, bool& is_frame, ReadLog& log) const;

  const protocol::PythonLayout* layout_ = nullptr;  // null: no Python here
  uint64_t code_start_ = 0, code_size_ = 0;
};

}  // namespace vsup::agent
