#include "agent/callstack/python_frames.h"

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
bool is_state_of(const PythonLayout& layout, uint64_t state, uint64_t thread, ReadLog& log) {
  uint64_t id, previous, back;
  if (!log.load(state + layout.thread_id, id) || id != thread || !log.load(state + layout.thread_previous, previous))
    return false;
  if (previous != 0) return log.load(previous + layout.thread_next, back) && back == state;
  uint64_t interpreter;
  if (!log.load(layout.interpreters_head, interpreter)) return false;
  for (unsigned i = 0; i < kMaxInterpreters && interpreter != 0; ++i) {
    if (log.load(interpreter + layout.interpreter_threads, back) && back == state) return true;
    if (!log.load(interpreter + layout.interpreter_next, interpreter)) return false;
  }
  return false;
}

// The first of the thread's states, one for each interpreter that it has run, that `accepts`; 0: none.
template <typename Accepts>
uint64_t search_state(const PythonLayout& layout, uint64_t thread, ReadLog& log, const Accepts& accepts) {
  uint64_t interpreter;
  if (!log.load(layout.interpreters_head, interpreter)) return 0;
  for (unsigned i = 0; i < kMaxInterpreters && interpreter != 0; ++i) {
    uint64_t state;
    if (!log.load(interpreter + layout.interpreter_threads, state)) return 0;
    for (unsigned n = 0; n < kMaxThreads && state != 0; ++n) {
      uint64_t id;
      if (!log.load(state + layout.thread_id, id)) break;
      if (id == thread && accepts(state)) return state;
      if (!log.load(state + layout.thread_next, state)) break;
    }
    if (!log.load(interpreter + layout.interpreter_next, interpreter)) return 0;
  }
  return 0;
}

// The PyThreadState of the calling thread, 0 when it has none.
uint64_t own_state(const PythonLayout& layout, ReadLog& log) {
  uint64_t thread = own_thread();
  if (thread == 0) return 0;
  auto& known = reinterpret_cast<KnownThread*>(kPythonThreadsBase)[(thread * kSpread) >> (64 - kPythonThreadBits)];
  uint64_t state = __atomic_load_n(&known.state, __ATOMIC_RELAXED);
  if (__atomic_load_n(&known.thread, __ATOMIC_RELAXED) == thread && state != 0 &&
      is_state_of(layout, state, thread, log))
    return state;
  state = search_state(layout, thread, log, [](uint64_t) { return true; });
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

void PythonWalk::start(Position& at, ReadLog& log) {
  at.python_started = true;
  uint64_t state = own_state(*layout_, log);
  if (state == 0 || !log.load(state + layout_->thread_frame, at.python_frame)) {
    at.python_frame = 0;
    log.give_up();  // it may have one next time
    return;
  }
  if (layout_->frames != kPythonCframes) return;
  at.python_cframe = at.python_frame;
  if (!log.load(at.python_cframe + layout_->cframe_frame, at.python_frame)) at.python_frame = 0;
}

bool PythonWalk::is_loop(const WalkState& inner, const Position& at) const {
  if (layout_->frames == kPythonCframes)
    return at.python_frame != 0 && at.python_cframe >= inner.sp && at.python_cframe < at.state.sp;
  return at.python_frame != 0 && is_loop_code(inner);
}

bool PythonWalk::is_loop_code(const WalkState& inner) const {
  uint64_t place = inner.exact ? inner.pc : inner.pc - 1;
  for (int i = 0; i < 2; ++i)
    if (place >= layout_->loop_start[i] && place < layout_->loop_end[i]) return true;
  return false;
}

// A thread that runs a subinterpreter has a state and a chain of frames for each interpreter on its stack.
bool PythonWalk::find_other_chain(const WalkState& inner, Position& at, ReadLog& log) const {
  uint64_t cframe = 0;
  const auto has_frame_here = [&](uint64_t state) {
    if (!log.load(state + layout_->thread_frame, cframe)) return false;
    for (unsigned n = 0; n < kMaxStackDepth && cframe != 0 && cframe < inner.sp; ++n)
      if (!log.load(cframe + layout_->cframe_previous, cframe)) return false;
    return cframe >= inner.sp && cframe < at.state.sp;
  };
  if (search_state(*layout_, own_thread(), log, has_frame_here) == 0) return false;
  at.python_cframe = cframe;
  return log.load(cframe + layout_->cframe_frame, at.python_frame) && at.python_frame != 0;
}

// 0 when it is none.
uint64_t PythonWalk::take_frame(uint64_t frame, ReadLog& log) {
  uint64_t code, instruction, offset;
  uint32_t index = 0;
  if (frame % 8 != 0 || !log.load(frame + layout_->frame_code, code) ||
      !log.load(frame + layout_->frame_instruction, instruction) || (index = python_code(*layout_, code, log)) == 0) {
    log.give_up();
    __atomic_fetch_add(&control().python_misfits, 1, __ATOMIC_RELAXED);
    return 0;
  }
  if (layout_->frames == kPythonFrameObjects) {
    offset = (instruction & 0xffff'ffff) * layout_->lasti_unit;
  } else {
    offset = instruction - (code + layout_->code_instructions);
  }
  // Before its first instruction.
  if (offset > INT32_MAX) offset = 0;
  return uint64_t{kFramePython} << kFrameKindShift | uint64_t{index} << 32 | offset;
}

// Whether a frame is the last of its call of the loop, and then whether it is a Python function's.
bool PythonWalk::ends_call(uint64_t frame, bool& is_frame, ReadLog& log) const {
  is_frame = true;
  if (layout_->frames == kPythonFrameObjects) return true;
  uint64_t word, at = frame + layout_->frame_entry;
  if (!log.load(at & ~uint64_t{7}, word)) return true;
  if (static_cast<uint8_t>(word >> (at & 7) * 8) != layout_->entry_value) return false;
  is_frame = layout_->entry_is_frame != 0;
  return true;
}

bool PythonWalk::enter_loop(const WalkState& inner, uint64_t frame, Position& at, ReadLog& log) {
  if (!at.python_started) start(at, log);
  if (!is_loop(inner, at) &&
      !(layout_->frames == kPythonCframes && is_loop_code(inner) && find_other_chain(inner, at, log)))
    return false;
  at.in_loop = true;
  at.loop_frame = frame;
  return true;
}

uint64_t PythonWalk::step_in_loop(Position& at, ReadLog& log) {
  bool is_frame;
  bool last = ends_call(at.python_frame, is_frame, log);
  uint64_t taken = is_frame ? take_frame(at.python_frame, log) : 0;
  if (taken != 0) at.loop_frame = 0;
  if (!log.load(at.python_frame + layout_->frame_back, at.python_frame)) at.python_frame = 0;
  if (!last && at.python_frame != 0) return taken;
  at.in_loop = false;
  if (layout_->frames == kPythonCframes && !log.load(at.python_cframe + layout_->cframe_previous, at.python_cframe))
    at.python_frame = 0;
  // A call that executes none that can be told stays a C frame.
  if (taken == 0) taken = at.loop_frame;
  at.loop_frame = 0;
  return taken;
}

unsigned PythonWalk::all_frames(uint64_t* frames, unsigned room) {
  ReadLog log;
  Position at{};
  start(at, log);
  unsigned count = 0;
  // A mark of a call's end is no frame, and a chain of nonsense is not followed for ever.
  for (unsigned seen = 0; at.python_frame != 0 && count < room && seen < 2 * kMaxStackDepth; ++seen) {
    bool is_frame;
    ends_call(at.python_frame, is_frame, log);
    if (is_frame) {
      uint64_t taken = take_frame(at.python_frame, log);
      if (taken == 0) break;
      frames[count++] = taken;
    }
    if (!log.load(at.python_frame + layout_->frame_back, at.python_frame)) at.python_frame = 0;
  }
  return count;
}

}  // namespace vsup::agent
