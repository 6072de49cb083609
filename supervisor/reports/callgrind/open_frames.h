// Purpose: where the functions that a thread has not left yet lie on one of its shadow stacks.
#pragma once

#include <cstdint>

#include "agent/tools/callgrind/records.h"

namespace vsup::supervisor::callgrind {

struct OpenFrames {
  uint64_t start = 0, count = 0;  // address of the first frame
};

// The frames up to `top` without the one at the bottom, which is nobody's; none where the record makes no sense.
inline OpenFrames open_frames(const agent::callgrind::StackRecord& stack, uint64_t top) {
  namespace records = agent::callgrind;
  const uint64_t first = stack.bottom + sizeof(records::Frame);
  if (top <= first || top > stack.end || stack.end - stack.bottom > records::kShadowStackEnd) return {};
  return {first, (top - first) / sizeof(records::Frame)};
}

}  // namespace vsup::supervisor::callgrind
