#include "agent/callstack/python_frames.h"

#include "agent/base/safe_load.h"
#include "agent/callstack/python_codes.h"

namespace vsup::agent {

namespace {

using namespace protocol;

constexpr uint64_t kSpread = 0x9e37'79b9'7f4a'7c15;
constexpr unsigned kMaxInterpreters = 256, kMaxThreads = 65536;

CallstackControl& control() {
  return *reinterpret_cast<CallstackControl*>(kCallstackBase);
}

// What pthread_self() returns, by which a PyThreadState knows its thread.
uint64_t own_thread() {
  uint64_t base;
  asm("rdfsbase %0" : "=r"(base));
  return base;
}

struct KnownThread {
  uint64_t thread, state;
};

// Not one that was deleted meanwhile: those are out of the list of their interpreter.
bool is_state_of(const PythonLayout& layout, uint64_t state, uint64_t thread) {
  uint64_t id, previous, back;
  if (!safe_load(state + layout.thread_id, id) || id != thread || !safe_load(state + layout.thread_previous, previous))
    return false;
  if (previous != 0) return safe_load(previous + layout.thread_next, back) && back == state;
  uint64_t interpreter;
  if (!safe_load(layout.interpreters_head, interpreter)) return false;
  for (unsigned i = 0; i < kMaxInterpreters && interpreter != 0; ++i) {
    if (safe_load(interpreter + layout.interpreter_threads, back) && back == state) return true;
    if (!safe_load(interpreter + layout.interpreter_next, interpreter)) return false;
  }
  return false;
}

uint64_t search_state(const PythonLayout& layout, uint64_t thread) {
  uint64_t interpreter;
  if (!safe_load(layout.interpreters_head, interpreter)) return 0;
  for (unsigned i = 0; i < kMaxInterpreters && interpreter != 0; ++i) {
    uint64_t state;
    if (!safe_load(interpreter + layout.interpreter_threads, state)) return 0;
    for (unsigned n = 0; n < kMaxThreads && state != 0; ++n) {
      uint64_t id;
      if (!safe_load(state + layout.thread_id, id)) break;
      if (id == thread) return state;
      if (!safe_load(state + layout.thread_next, state)) break;
    }
    if (!safe_load(interpreter + layout.interpreter_next, interpreter)) return 0;
  }
  return 0;
}

// The PyThreadState of the calling thread, 0 when it has none.
uint64_t own_state(const PythonLayout& layout) {
  uint64_t thread = own_thread();
  if (thread == 0) return 0;
  auto& known = reinterpret_cast<KnownThread*>(kPythonThreadsBase)[(thread * kSpread) >> (64 - kPythonThreadBits)];
  uint64_t state = __atomic_load_n(&known.state, __ATOMIC_RELAXED);
  if (__atomic_load_n(&known.thread, __ATOMIC_RELAXED) == thread && state != 0 && is_state_of(layout, state, thread))
    return state;
  state = search_state(layout, thread);
  __atomic_store_n(&known.thread, thread, __ATOMIC_RELAXED);
  __atomic_store_n(&known.state, state, __ATOMIC_RELAXED);
  return state;
}

}  // namespace

PythonWalk::PythonWalk() {
  if (__atomic_load_n(&control().python_ready, __ATOMIC_ACQUIRE) == 0) return;
  const PythonLayout& layout = control().python;
  if (layout.stacks == kPythonStacksNo) return;
  layout_ = &layout;
  code_start_ = layout.code_start;
  code_size_ = layout.code_end - layout.code_start;
}

bool PythonWalk::start() {
  if (started_) return frame_ != 0;
  started_ = true;
  uint64_t state = own_state(*layout_);
  if (state == 0 || !safe_load(state + layout_->thread_frame, frame_)) return false;
  if (layout_->frames == kPythonCframes) {
    cframe_ = frame_;
    if (!safe_load(cframe_ + layout_->cframe_frame, frame_)) frame_ = 0;
  }
  return frame_ != 0;
}

bool PythonWalk::is_loop(const WalkState& state) const {
  uint64_t at = state.exact ? state.pc : state.pc - 1;
  for (int i = 0; i < 2; ++i)
    if (at >= layout_->loop_start[i] && at < layout_->loop_end[i]) return true;
  return false;
}

// Puts down frame_; false when it is none.
bool PythonWalk::take_frame(uint64_t* frames, unsigned& count) {
  uint64_t code, instruction, offset;
  uint32_t index = 0;
  if (frame_ % 8 != 0 || !safe_load(frame_ + layout_->frame_code, code) ||
      !safe_load(frame_ + layout_->frame_instruction, instruction) || (index = python_code(*layout_, code)) == 0) {
    __atomic_fetch_add(&control().python_misfits, 1, __ATOMIC_RELAXED);
    return false;
  }
  if (layout_->frames == kPythonFrameObjects) {
    offset = (instruction & 0xffff'ffff) * layout_->lasti_unit;
  } else {
    offset = instruction - (code + layout_->code_instructions);
  }
  // Before its first instruction.
  if (offset > INT32_MAX) offset = 0;
  frames[count++] = uint64_t{kFramePython} << kFrameKindShift | uint64_t{index} << 32 | offset;
  return true;
}

// Whether frame_ is the last of its call of the loop, and then whether it is a Python function's.
bool PythonWalk::ends_call(bool& is_frame) const {
  is_frame = true;
  if (layout_->frames == kPythonFrameObjects) return true;
  uint64_t word, at = frame_ + layout_->frame_entry;
  if (!safe_load(at & ~uint64_t{7}, word)) return true;
  if (static_cast<uint8_t>(word >> (at & 7) * 8) != layout_->entry_value) return false;
  is_frame = layout_->entry_is_frame != 0;
  return true;
}

unsigned PythonWalk::frames_of(const WalkState& state, uint64_t cfa, uint64_t* frames, unsigned room) {
  if (!start()) return 0;
  if (layout_->frames == kPythonCframes ? cframe_ < state.sp || cframe_ >= cfa : !is_loop(state)) return 0;
  unsigned count = 0;
  bool last = false;
  while (!last && frame_ != 0 && count < room) {
    bool is_frame;
    last = ends_call(is_frame);
    if (is_frame) take_frame(frames, count);
    if (!safe_load(frame_ + layout_->frame_back, frame_)) frame_ = 0;
  }
  if (layout_->frames == kPythonCframes && !safe_load(cframe_ + layout_->cframe_previous, cframe_)) frame_ = 0;
  return count;
}

unsigned PythonWalk::all_frames(uint64_t* frames, unsigned room) {
  if (!start()) return 0;
  unsigned count = 0;
  // A mark of a call's end is no frame, and a chain of nonsense is not followed for ever.
  for (unsigned seen = 0; frame_ != 0 && count < room && seen < 2 * kMaxStackDepth; ++seen) {
    bool is_frame;
    ends_call(is_frame);
    if (is_frame && !take_frame(frames, count)) break;
    if (!safe_load(frame_ + layout_->frame_back, frame_)) frame_ = 0;
  }
  return count;
}

}  // namespace vsup::agent
