#include "agent/callstack/cached_walk.h"

#include "agent/callstack/stack_depot.h"
#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

// Walked beyond the depth at first, so that the stack may become shorter.
constexpr unsigned kMargin = 16;

uint64_t frame_of(const WalkState& state) {
  uint64_t kind = state.exact ? kFrameExact : state.guessed ? kFrameGuessed : kFrameReturn;
  return kind << kFrameKindShift | (state.pc & kFrameValueMask);
}

class CachedWalk {
 public:
  CachedWalk(WalkCache& cache, const Position& start, unsigned depth, PythonWalk& python)
      : cache_(cache),
        python_(python),
        at_(start),
        log_(cache.fresh_reads, cache.fresh_reads + WalkCache::kMaxReads),
        depth_(depth),
        seek_(cache.count) {}

  bool run(uint32_t& stack) {
    unsigned enough = depth_ + kMargin;
    while (fresh_frames_ < (kept_ == 0 && cache_.count == 0 ? enough : depth_)) {
      if (cache_.count != 0 && find_join()) {
        if (!reaches_far_enough()) {
          // Further out than the last walk went: all of it anew.
          cache_.count = cache_.read_count = seek_ = kept_ = 0;
          continue;
        }
        if (agrees()) break;
      }
      if (fresh_count_ == WalkCache::kMaxPlaces || at_.state.guessed) return fail();
      WalkPlace& place = cache_.fresh[fresh_count_];
      place.position = at_;
      place.first_read = static_cast<uint16_t>(log_.next() - cache_.fresh_reads);
      WalkStep step = step_outward(at_, python_, place.frame, log_);
      if (!log_.complete() || step == WalkStep::kLost) return fail();
      ++fresh_count_;
      if (place.frame != 0) ++fresh_frames_;
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
    return false;
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

  // The first place whose step has to be the same: that of the outermost frame.
  uint32_t first_needed() const {
    uint32_t cut_off = cut();
    if (cut_off == 0 && cache_.complete) return 0;
    uint32_t i = 0;
    while (i < kept_ && cache_.places[i].frames <= cut_off) ++i;
    return i;
  }

  // Whether the steps from the join on read what they read. If not, those up to the first that does not are taken over,
  // and the walk goes on from there.
  bool agrees() {
    uint32_t first = first_needed();
    if (first >= kept_) return true;
    const LoggedRead* read = cache_.reads + end_of_reads(kept_ - 1);
    const LoggedRead* const end = cache_.reads + cache_.places[first].first_read;
    do {
      if (read == end) return true;
      --read;
    } while (is_same(*read));
    take_over(static_cast<uint32_t>(read - cache_.reads));
    return false;
  }

  static bool is_same(const LoggedRead& read) {
    uint64_t value;
    return safe_load(read.address, value) && value == read.value;
  }

  // Up to the place that has this read, without its step.
  void take_over(uint32_t differing) {
    uint32_t i = kept_ - 1;
    for (; cache_.places[i].first_read > differing; --i) {
      if (fresh_count_ == WalkCache::kMaxPlaces) break;
      WalkPlace& place = cache_.fresh[fresh_count_++];
      place = cache_.places[i];
      place.first_read = static_cast<uint16_t>(log_.next() - cache_.fresh_reads);
      for (uint32_t r = cache_.places[i].first_read; r < end_of_reads(i); ++r) log_.add(cache_.reads[r]);
      if (place.frame != 0) ++fresh_frames_;
    }
    at_ = cache_.places[i].position;
    seek_ = i;
    kept_ = 0;
  }

  bool finish(uint32_t& stack) {
    uint32_t reads = static_cast<uint32_t>(log_.next() - cache_.fresh_reads);
    uint32_t kept_reads = kept_ == 0 ? 0 : end_of_reads(kept_ - 1);
    if (!log_.complete() || kept_ + fresh_count_ > WalkCache::kMaxPlaces || kept_reads + reads > WalkCache::kMaxReads)
      return fail();
    uint32_t cut_off = cut();
    bool same_cut = kept_ != 0 && cut_off == cache_.cut;
    if (kept_ == 0) cache_.complete = ended_;
    cache_.cut = cut_off;
    uint32_t frames = kept_ == 0 ? 0 : cache_.places[kept_ - 1].frames;
    uint32_t id = same_cut ? cache_.places[kept_ - 1].stack : 0;
    for (uint32_t i = fresh_count_; i-- > 0;) {
      WalkPlace& place = cache_.places[kept_++];
      place = cache_.fresh[i];
      uint32_t end = i + 1 == fresh_count_ ? reads : cache_.fresh[i + 1].first_read;
      place.first_read = static_cast<uint16_t>(kept_reads);
      for (uint32_t r = cache_.fresh[i].first_read; r < end; ++r) cache_.reads[kept_reads++] = cache_.fresh_reads[r];
      if (place.frame != 0) {
        ++frames;
        if (same_cut && (id = intern_inner(id, place.frame)) == 0) return fail();
      }
      place.frames = static_cast<uint16_t>(frames);
      place.stack = id;
    }
    cache_.count = kept_;
    cache_.read_count = kept_reads;
    stack = same_cut ? id : intern_all();
    return stack != 0 || fail();
  }

  // The whole stack at once, and then the ids of its parts.
  uint32_t intern_all() {
    uint64_t frames[WalkCache::kMaxDepth];
    unsigned count = 0;
    for (uint32_t i = cache_.count; i > 0 && count < depth_; --i)
      if (cache_.places[i - 1].frame != 0) frames[count++] = cache_.places[i - 1].frame;
    uint32_t id = intern_stack(frames, count), part = id;
    for (uint32_t i = cache_.count; i > 0 && part != 0; --i) {
      cache_.places[i - 1].stack = part;
      if (cache_.places[i - 1].frame != 0) part = outer_stack(part);
    }
    return id;
  }

  WalkCache& cache_;
  PythonWalk& python_;
  Position at_;
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

bool cached_walk(WalkCache& cache, const Position& start, unsigned depth, PythonWalk& python, uint32_t& stack) {
  uint64_t generation = unwind_generation() << 1 | (python.stacks() != kPythonStacksNo ? 1 : 0);
  if (cache.generation != generation) {
    cache.generation = generation;
    cache.count = cache.read_count = 0;
  }
  return CachedWalk(cache, start, depth, python).run(stack);
}

}  // namespace vsup::agent
