// Purpose: the stacks that an agent has captured, out of the process's memory.
// Assumes: the address space is still there: a stopped or running process, or one at its exit stop or before an exec.
// Promises: what the process may have scribbled over gives wrong frames, never a crash, a loop or much memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "protocol/callstack.h"
#include "supervisor/symbols/python_code.h"

namespace vsup::supervisor {

struct CapturedFrame {
  protocol::StackFrameKind kind = protocol::kFrameReturn;
  uint64_t value = 0;

  // The address to symbolise: of the instruction itself, or within the call before it. Of a Python frame its value.
  uint64_t lookup() const {
    return kind == protocol::kFrameExact || kind == protocol::kFramePython ? value : value - 1;
  }
};

class StackReader {
 public:
  // Copies the depot as it is now; empty when it cannot be read.
  static StackReader of_process(pid_t pid);

  // Innermost first, those that count; empty for an id that is none.
  std::vector<CapturedFrame> frames(uint32_t id) const;
  // Of the tree: the frame of a node that is there.
  CapturedFrame frame(uint32_t id) const {
    return {static_cast<protocol::StackFrameKind>(nodes_[id].frame >> protocol::kFrameKindShift),
            nodes_[id].frame & protocol::kFrameValueMask};
  }
  // Frames of a stack that count: what is further out may be another's.
  unsigned depth() const;
  // Of the tree: the node around `id`, 0 at the outermost frame.
  uint32_t parent(uint32_t id) const;

  // Of a frame of kind kFramePython.
  PythonLocation python_location(const CapturedFrame& frame) const { return python_.location(frame.value); }

  size_t nodes() const { return nodes_.size(); }
  uint64_t lost_walks() const { return control_.lost_walks; }
  uint64_t guessed_walks() const { return control_.guessed_walks; }
  uint64_t cut_by_full_depot() const { return control_.full; }
  uint64_t python_misfits() const { return control_.python_misfits; }

 private:
  protocol::CallstackControl control_{};
  std::vector<protocol::StackNode> nodes_;
  PythonCodes python_;
};

}  // namespace vsup::supervisor
