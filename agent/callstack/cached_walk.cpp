#include "agent/callstack/cached_walk.h"

#include "agent/callstack/python_codes.h"
#include "agent/callstack/stack_depot.h"
#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

// Walked beyond the depth as far as this, so that the stack may become shorter and longer, and that stacks have ids
// that begin at the same place.
constexpr unsigned kMaxFresh = WalkCache::kMaxPlaces * 3 / 4;

uint64_t frame_of(const WalkState& state) {
  uint64_t kind = state.exact ? kFrameExact : state.guessed ? kFrameGuessed : kFrameReturn;
  return kind << kFrameKindShift | (state.pc & kFrameValueMask);
}

// A few: less than it takes to start a string instruction.
template <typename T>
void move_down(T* to, const T* from, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) to[i] = from[i];
}

bool is_same(const LoggedRead& read) {
  uint64_t value;
  return safe_load(read.address, value) && value == read.value;
}

// Four at a time, as most walks are nothing else; from the inside out, as what differs is mostly there.
bool would_read_same(const LoggedRead* first, const LoggedRead* end) {
  for (; end - first >= 4; end -= 4)
    if (!is_same(end[-1]) || !is_same(end[-2]) || !is_same(end[-3]) || !is_same(end[-4])) return false;
  while (end != first)
    if (!is_same(*--end)) return false;
  return true;
}

bool would_read_same(const InnerWalk& inner) {
  return would_read_same(inner.reads, inner.reads + inner.read_count);
}

bool is_start(const WalkState& a, const WalkState& b) {
  return a.pc == b.pc && a.sp == b.sp && a.bp == b.bp && a.bp_saved == b.bp_saved;
}

uint32_t set_of(const WalkState& start) {
  constexpr uint64_t kSpread = 0x9e37'79b9'7f4a'7c15;
  return static_cast<uint32_t>(((start.pc ^ start.sp << 20) * kSpread) >> 32) % WalkCache::kSets;
}

// By an earlier walk since which the kept one has not changed: what both would read is all that there is to compare.
bool recall_unchanged(const WalkCache& cache, const WalkState& start, uint32_t& stack) {
  for (const InnerWalk& inner : cache.inner[set_of(start)]) {
    if (inner.version != cache.version || !is_start(inner.start, start) || !would_read_same(inner)) continue;
    stack = inner.stack;
    return would_read_same(cache.reads + inner.outer_first, cache.reads + inner.outer_end);
  }
  return false;
}

class CachedWalk {
 public:
  CachedWalk(WalkCache& cache, const WalkState& start, unsigned depth, PythonWalk& python)
      : cache_(cache),
        python_(python),
        at_{.state = start},
        start_(start),
        log_(cache.reads + cache.read_count, cache.reads + WalkCache::kMaxReads),
        depth_(depth),
        seek_(cache.count) {}

  bool run(uint32_t& stack) {
    if (recall(stack)) return true;
    while (fresh_count_ < kMaxFresh) {
      if (cache_.count != 0 && find_join()) {
        if (!reaches_far_enough()) {
          // Further out than the last walk went: all of it anew.
          cache_.count = cache_.read_count = seek_ = kept_ = 0;
          continue;
        }
        if (agrees()) break;
      }
      if (fresh_count_ == room() || !log_.complete()) return fail();
      WalkPlace& place = fresh(fresh_count_);
      place.position = at_;
      WalkStep step = at_.state.guessed ? WalkStep::kLost : step_outward(at_, python_, place.frame, log_);
      if (!log_.complete() || step == WalkStep::kLost) {
        // Of no concern so far out.
        if (fresh_frames_ >= depth_) break;
        return fail();
      }
      count_in(place);
      if (step == WalkStep::kEnd) {
        ended_ = true;
        break;
      }
    }
    return finish(stack);
  }

 private:
  bool fail() {
    cache_.count = cache_.read_count = 0;
    ++cache_.version;
    return false;
  }

  // By the inner part of an earlier walk.
  bool recall(uint32_t& stack) {
    for (InnerWalk& inner : cache_.inner[set_of(start_)]) {
      if (inner.generation != cache_.generation || !is_start(inner.start, start_) || !would_read_same(inner)) continue;
      at_ = inner.join;
      fresh_frames_ = inner.frames;
      if (find_join() && cache_.places[kept_ - 1].stack == inner.outer && reaches_far_enough() &&
          first_differing() == kNoRead) {
        stack = inner.stack;
        note_outer(inner);
        return true;
      }
      at_ = Position{.state = start_};
      fresh_frames_ = kept_ = 0;
      seek_ = cache_.count;
      return false;
    }
    return false;
  }

  // What the rest of its way reads.
  void note_outer(InnerWalk& inner) const {
    const ReadRange reads = needed_reads();
    inner.version = cache_.version;
    inner.outer_first = static_cast<uint16_t>(reads.first);
    inner.outer_end = static_cast<uint16_t>(reads.end);
  }

  // What was walked before the last walk was met. `reads` of them, not yet moved.
  void remember(uint32_t reads, uint32_t stack) {
    if (kept_ == 0 || reads > InnerWalk::kMaxReads) return;
    uint32_t in = set_of(start_);
    InnerWalk& inner = cache_.inner[in][cache_.next_way[in]++ % WalkCache::kWays];
    inner.generation = cache_.generation;
    inner.start = start_;
    inner.join = at_;
    inner.outer = cache_.places[kept_ - 1].stack;
    inner.stack = stack;
    inner.frames = static_cast<uint16_t>(fresh_frames_);
    inner.read_count = static_cast<uint16_t>(reads);
    for (uint32_t i = 0; i < reads; ++i) inner.reads[i] = cache_.reads[end_of_reads(kept_ - 1) + i];
    note_outer(inner);
  }

  // From the inside out.
  WalkPlace& fresh(uint32_t i) { return cache_.places[WalkCache::kMaxPlaces - 1 - i]; }
  uint32_t room() const { return WalkCache::kMaxPlaces - cache_.count; }
  void count_in(WalkPlace& place) {
    place.first_read = static_cast<uint16_t>(cache_.reads + WalkCache::kMaxReads - log_.begin());
    ++fresh_count_;
    if (place.frame != 0) ++fresh_frames_;
  }

  // Whether the last walk came by here, too: its place is kept_ - 1.
  bool find_join() {
    while (seek_ > 0 && cache_.places[seek_ - 1].position.state.sp < at_.state.sp) --seek_;
    for (uint32_t i = seek_; i > 0 && cache_.places[i - 1].position.state.sp == at_.state.sp; --i) {
      if (!(cache_.places[i - 1].position == at_)) continue;
      kept_ = i;
      return true;
    }
    return false;
  }

  uint32_t all_frames() const { return fresh_frames_ + (kept_ == 0 ? 0 : cache_.places[kept_ - 1].frames); }
  uint32_t cut() const {
    uint32_t all = all_frames();
    return all > depth_ ? all - depth_ : 0;
  }
  bool reaches_far_enough() const { return cache_.complete || all_frames() >= depth_; }

  uint32_t end_of_reads(uint32_t place) const {
    return place + 1 == cache_.count ? cache_.read_count : cache_.places[place + 1].first_read;
  }

  // The first place whose step has to be the same: that of the outermost frame. A place has one frame or none, so it is
  // looked for from as many places as there are frames to come: outermost ones of deep stacks are left alone.
  uint32_t first_needed() const {
    uint32_t cut_off = cut();
    if (cut_off == 0 && cache_.complete) return 0;
    uint32_t i = kept_;
    if (i != 0 && cache_.places[i - 1].frames > cut_off) {
      i -= cache_.places[i - 1].frames - cut_off;
      while (i > 0 && cache_.places[i - 1].frames > cut_off) --i;
    }
    return i;
  }

  // Of the steps from the join on, as far as they matter.
  struct ReadRange {
    uint32_t first, end;
  };
  ReadRange needed_reads() const {
    const uint32_t end = end_of_reads(kept_ - 1), first = first_needed();
    return {first < kept_ ? cache_.places[first].first_read : end, end};
  }

  static constexpr uint32_t kNoRead = ~uint32_t{0};
  // The innermost of these that would read something else.
  uint32_t first_differing() const {
    const ReadRange reads = needed_reads();
    for (uint32_t i = reads.end; i > reads.first; --i)
      if (!is_same(cache_.reads[i - 1])) return i - 1;
    return kNoRead;
  }

  // Whether the steps from the join on read what they read. If not, those up to the first that does not are taken over,
  // and the walk goes on from there.
  bool agrees() {
    uint32_t differing = first_differing();
    if (differing == kNoRead) return true;
    take_over(differing);
    return false;
  }

  // Up to the place that has this read, without its step.
  void take_over(uint32_t differing) {
    uint32_t i = kept_ - 1;
    for (; cache_.places[i].first_read > differing; --i) {
      if (fresh_count_ == room()) break;
      fresh(fresh_count_) = cache_.places[i];
      for (uint32_t r = end_of_reads(i); r > cache_.places[i].first_read; --r) log_.add(cache_.reads[r - 1]);
      count_in(fresh(fresh_count_));
    }
    at_ = cache_.places[i].position;
    seek_ = i;
    kept_ = 0;
  }

  bool finish(uint32_t& stack) {
    if (fresh_count_ == 0) {
      stack = cache_.places[kept_ - 1].stack;
      remember(0, stack);
      return true;
    }
    uint32_t kept_reads = kept_ == 0 ? 0 : end_of_reads(kept_ - 1);
    uint32_t reads = fresh(fresh_count_ - 1).first_read;
    ++cache_.version;
    if (kept_ == 0) cache_.complete = ended_;
    uint32_t frames = kept_ == 0 ? 0 : cache_.places[kept_ - 1].frames;
    uint32_t walked = kept_ == 0 ? cache_.root : cache_.places[kept_ - 1].stack;
    move_down(cache_.places + kept_, cache_.places + WalkCache::kMaxPlaces - fresh_count_, fresh_count_);
    move_down(cache_.reads + kept_reads, cache_.reads + WalkCache::kMaxReads - reads, reads);
    cache_.count = kept_ + fresh_count_;
    cache_.read_count = kept_reads + reads;
    for (WalkPlace* place = cache_.places + kept_; place != cache_.places + cache_.count; ++place) {
      place->first_read = static_cast<uint16_t>(cache_.read_count - place->first_read);
      if (place->frame != 0) {
        ++frames;
        if ((walked = walked_inner(walked, place->frame)) == 0) return fail();
      }
      place->frames = static_cast<uint16_t>(frames);
      place->stack = walked;
    }
    remember(reads, walked);
    stack = walked;
    return true;
  }

  WalkCache& cache_;
  PythonWalk& python_;
  Position at_;
  const WalkState start_;
  ReadLog log_;
  const unsigned depth_;
  uint32_t seek_;      // places of the last walk from here on are further in than `at_`
  uint32_t kept_ = 0;  // places of the last walk that are this one's, too: 0 before they are met
  uint32_t fresh_count_ = 0, fresh_frames_ = 0;
  bool ended_ = false;
};

}  // namespace

WalkStep step_outward(Position& at, PythonWalk& python, uint64_t& frame, ReadLog& log) {
  if (at.in_loop) {
    frame = python.step_in_loop(at, log);
    return WalkStep::kCaller;
  }
  WalkState inner = at.state;
  WalkStep step = step_to_caller(at.state, log);
  frame = frame_of(inner);
  if (python.concerns(inner.pc) && step == WalkStep::kCaller && python.enter_loop(inner, frame, at, log)) frame = 0;
  return step;
}

bool cached_walk(WalkCache& cache, const WalkState& start, unsigned depth, PythonWalk& python, uint32_t& stack) {
  static_assert(WalkCache::kMaxDepth < 128);
  // Each of them grows when something changes.
  uint64_t generation =
      ((unwind_epoch() + code_ends()) << 1 | (python.stacks() != kPythonStacksNo ? 1 : 0)) << 7 | depth;
  if (cache.generation != generation) {
    cache.generation = generation;
    cache.root = walked_root(depth);
    cache.count = cache.read_count = 0;
    ++cache.version;
  }
  return recall_unchanged(cache, start, stack) || CachedWalk(cache, start, depth, python).run(stack);
}

}  // namespace vsup::agent
