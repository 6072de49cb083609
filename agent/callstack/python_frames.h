// Purpose: the frames of Python functions on a stack, in place of the C frames of the interpreter's loop.
// Assumes: the thread's own stack; the layout is that of the interpreter, as far as the supervisor could tell.
// Promises: no lock, no system call, no call into the interpreter, and it need not hold the GIL: a thread's frames are
// changed by that thread alone. What does not look like a frame is left out and counted.
#pragma once

#include <stdint.h>

#include "agent/callstack/unwind.h"
#include "protocol/callstack.h"

namespace vsup::agent {

class PythonWalk {
 public:
  PythonWalk();

  protocol::PythonStacks stacks() const { return layout_ != nullptr ? layout_->stacks : protocol::kPythonStacksNo; }

  // Whether frames_of is to be asked about a C frame with this pc.
  bool concerns(uint64_t pc) const { return pc - code_start_ < code_size_; }

  // If the C frame at `state`, which ends at `cfa`, is one of the interpreter's loop: the Python frames that it
  // executes, innermost first, at most `room`. C frames are to be asked about from the inside out.
  unsigned frames_of(const WalkState& state, uint64_t cfa, uint64_t* frames, unsigned room);

  // All Python frames of the thread.
  unsigned all_frames(uint64_t* frames, unsigned room);

 private:
  bool start();
  bool is_loop(const WalkState& state) const;
  bool take_frame(uint64_t* frames, unsigned& count);
  bool ends_call(bool& is_frame) const;

  const protocol::PythonLayout* layout_ = nullptr;  // null: no Python here
  uint64_t code_start_ = 0, code_size_ = 0;
  bool started_ = false;
  uint64_t frame_ = 0;   // next Python frame, 0: none left
  uint64_t cframe_ = 0;  // of the next call of the loop
};

}  // namespace vsup::agent
