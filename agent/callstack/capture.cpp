#include "agent/callstack/capture.h"

#include "agent/callstack/python_frames.h"
#include "agent/callstack/stack_depot.h"
#include "agent/callstack/unwind.h"
#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

uint64_t frame_of(const WalkState& state) {
  uint64_t kind = state.exact ? kFrameExact : state.guessed ? kFrameGuessed : kFrameReturn;
  return kind << kFrameKindShift | (state.pc & kFrameValueMask);
}

struct Walk {
  uint64_t* frames;
  unsigned count, depth;
  bool guessed, lost;
};

// Innermost first into walk.frames.
void walk_stack(WalkState state, PythonWalk& python, Walk& walk) {
  WalkStep step = WalkStep::kCaller;
  while (step == WalkStep::kCaller && walk.count < walk.depth) {
    walk.guessed |= state.guessed;
    uint64_t* place = &walk.frames[walk.count];
    if (!python.concerns(state.pc)) {
      *place = frame_of(state);
      if (++walk.count == walk.depth) break;
      step = step_to_caller(state);
      continue;
    }
    WalkState inner = state;
    step = step_to_caller(state);
    unsigned taken = step == WalkStep::kCaller ? python.frames_of(inner, state.sp, place, walk.depth - walk.count) : 0;
    if (taken == 0) {
      *place = frame_of(inner);
      taken = 1;
    }
    walk.count += taken;
  }
  walk.lost = step == WalkStep::kLost;
}

}  // namespace

uint32_t capture_stack(uint64_t pc, uint64_t sp, uint64_t bp, unsigned depth) {
  if (depth == 0) return 0;
  if (depth > kMaxStackDepth) depth = kMaxStackDepth;
  auto* frames = static_cast<uint64_t*>(__builtin_alloca(depth * sizeof(uint64_t)));
  Walk walk{.frames = frames, .count = 0, .depth = depth, .guessed = false, .lost = false};
  PythonWalk python;
  if (python.stacks() == kPythonStacksOnly) walk.count = python.all_frames(frames, depth);
  if (walk.count == 0) walk_stack({.pc = pc, .sp = sp, .bp = bp}, python, walk);
  auto* control = reinterpret_cast<CallstackControl*>(kCallstackBase);
  if (walk.lost) [[unlikely]]
    __atomic_fetch_add(&control->lost_walks, 1, __ATOMIC_RELAXED);
  if (walk.guessed) [[unlikely]]
    __atomic_fetch_add(&control->guessed_walks, 1, __ATOMIC_RELAXED);
  return intern_stack(frames, walk.count);
}

}  // namespace vsup::agent
