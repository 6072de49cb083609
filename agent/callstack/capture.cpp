#include "agent/callstack/capture.h"

#include "agent/callstack/cached_walk.h"
#include "agent/callstack/python_frames.h"
#include "agent/callstack/stack_depot.h"
#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

struct Walk {
  uint64_t* frames;
  unsigned count, depth;
  bool guessed, lost;
};

// A chain of nonsense is not followed for ever.
constexpr unsigned kMaxSteps = 4 * kMaxStackDepth;

// Innermost first into walk.frames.
void walk_stack(Position at, PythonWalk& python, Walk& walk) {
  ReadLog log;
  WalkStep step = WalkStep::kCaller;
  for (unsigned steps = 0; step == WalkStep::kCaller && walk.count < walk.depth && steps < kMaxSteps; ++steps) {
    walk.guessed |= at.state.guessed;
    uint64_t frame;
    step = step_outward(at, python, frame, log);
    if (frame != 0) walk.frames[walk.count++] = frame;
  }
  walk.lost = step == WalkStep::kLost && walk.count < walk.depth;
}

uint32_t capture(const WalkState& start, unsigned depth, WalkCache* cache, StackIds ids) {
  if (depth == 0) return 0;
  if (depth > kMaxStackDepth) depth = kMaxStackDepth;
  PythonWalk python;
  uint32_t stack = 0;
  if (cache != nullptr && depth <= WalkCache::kMaxDepth && python.stacks() != kPythonStacksOnly &&
      cached_walk(*cache, start, depth, python, stack)) [[likely]]
    return ids == StackIds::kByWalk ? stack : innermost_frames(stack, depth);
  auto* frames = static_cast<uint64_t*>(__builtin_alloca(depth * sizeof(uint64_t)));
  Walk walk{.frames = frames, .count = 0, .depth = depth, .guessed = false, .lost = false};
  if (python.stacks() == kPythonStacksOnly) walk.count = python.all_frames(frames, depth);
  if (walk.count == 0) walk_stack(Position{.state = start}, python, walk);
  auto* control = reinterpret_cast<CallstackControl*>(kCallstackBase);
  if (walk.lost) [[unlikely]]
    __atomic_fetch_add(&control->lost_walks, 1, __ATOMIC_RELAXED);
  if (walk.guessed) [[unlikely]]
    __atomic_fetch_add(&control->guessed_walks, 1, __ATOMIC_RELAXED);
  return intern_stack(frames, walk.count);
}

}  // namespace

uint32_t capture_stack(uint64_t pc, uint64_t sp, uint64_t bp, unsigned depth, WalkCache* cache, StackIds ids) {
  return capture({.pc = pc, .sp = sp, .bp = bp}, depth, cache, ids);
}

uint32_t capture_stack_saved_rbp(uint64_t pc, uint64_t sp, uint64_t bp_at, unsigned depth, WalkCache* cache,
                                 StackIds ids) {
  return capture({.pc = pc, .sp = sp, .bp = bp_at, .bp_saved = true}, depth, cache, ids);
}

}  // namespace vsup::agent
