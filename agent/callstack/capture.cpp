#include "agent/callstack/capture.h"

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

}  // namespace

uint32_t capture_stack(uint64_t pc, uint64_t sp, uint64_t bp, unsigned depth) {
  if (depth == 0) return 0;
  if (depth > kMaxStackDepth) depth = kMaxStackDepth;
  auto* frames = static_cast<uint64_t*>(__builtin_alloca(depth * sizeof(uint64_t)));
  unsigned count = 0;
  WalkState state{.pc = pc, .sp = sp, .bp = bp};
  WalkStep step = WalkStep::kCaller;
  bool guessed = false;
  for (;;) {
    frames[count++] = frame_of(state);
    if (count == depth) break;
    step = step_to_caller(state);
    if (step != WalkStep::kCaller) break;
    guessed |= state.guessed;
  }
  auto* control = reinterpret_cast<CallstackControl*>(kCallstackBase);
  if (step == WalkStep::kLost) [[unlikely]]
    __atomic_fetch_add(&control->lost_walks, 1, __ATOMIC_RELAXED);
  if (guessed) [[unlikely]]
    __atomic_fetch_add(&control->guessed_walks, 1, __ATOMIC_RELAXED);
  return intern_stack(frames, count);
}

}  // namespace vsup::agent
