// Purpose: a thread's own numbers and its shadow stack, as the tool's C++ sees them.
// Assumes: the thread is in the dispatcher.
#pragma once

#include "agent/base/memory.h"
#include "agent/tools/callgrind/records.h"

namespace vsup::agent::callgrind {

inline constexpr uint64_t kBottomSp = ~0ull;  // above every stack pointer: of a stack's bottom frame

template <typename T>
T* in_slot(const protocol::ThreadContext& ctx, uint32_t offset) {
  return reinterpret_cast<T*>(ctx.self + offset);
}

// The bottom frame, when the thread has entered no function yet: its stack pointer is above every one.
inline Frame* top_frame(const protocol::ThreadContext& ctx) {
  return reinterpret_cast<Frame*>(ctx.tool_stack) - 1;
}

// Where the frame's return address lies.
inline uint64_t frame_sp(const Frame& frame) {
  return frame.sp == kBottomSp ? kBottomSp : frame.sp & ~kFlaggedFrame;
}

// What the supervisor has taken back.
inline void clear_cuts(const protocol::ThreadContext& ctx) {
  auto& cuts = *in_slot<uint64_t>(ctx, kCutCountOffset);
  if (cuts != 0) memset(in_slot<uint8_t>(ctx, kCutsOffset), 0, sizeof(CutRecord) * kMaxCuts);
  cuts = 0;
}

inline uint64_t ir_so_far(const protocol::ThreadContext& ctx) {
  uint64_t ir = 0;
  for (unsigned i = 0; i < kAccumulators; ++i) ir += *in_slot<uint64_t>(ctx, accumulator_offset(i));
  return ir;
}

}  // namespace vsup::agent::callgrind
