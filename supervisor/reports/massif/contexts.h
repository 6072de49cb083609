// Purpose: the stacks of a heap profile as massif shows them: without the allocation functions at their top and what
// is below main, cut to the depth, sorted by addresses from the inside out.
// Promises: work in proportion to the stacks seen, once for all snapshots: a large program has a million.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/reports/heap/described_frame.h"
#include "supervisor/reports/massif/massif_profile.h"

namespace vsup::supervisor::massif {

using Describe = std::function<const DescribedFrame&(const CapturedFrame& frame)>;
// The function's name by symbol tables, without its lines: much quicker. Empty: they have none.
using NameSymbol = std::function<std::string(const CapturedFrame& frame)>;

// The names that are allocation functions without being said to be.
const std::vector<std::string>& default_alloc_fns();

enum class MainKind : uint8_t { kNeither, kMain, kBelowMain };
MainKind main_kind(const std::string& function);

// In the order of their addresses; equal ones are one.
class Contexts {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  Contexts(const HeapProfile& profile, unsigned depth, const std::set<std::string>& alloc_fns, const Describe& describe,
           const NameSymbol& name_symbol);

  uint32_t count() const { return static_cast<uint32_t>(places_.size()); }
  // Of a stack; kNone if it has not been seen.
  uint32_t rank(uint32_t stack) const { return stack < ranks_.size() ? ranks_[stack] : kNone; }
  // Frames, and how many of them agree with those of the context before.
  uint16_t length(uint32_t rank) const { return places_[rank].length; }
  uint16_t common(uint32_t rank) const { return places_[rank].common; }
  // The least index in HeapProfile::seen of its stacks.
  uint32_t first_seen(uint32_t rank) const { return places_[rank].first_seen; }
  CapturedFrame frame(uint32_t rank, unsigned depth) const {
    return frames_[keys_[places_[rank].start + depth] - 1].frame;
  }

 private:
  // What there is to know of one frame, wherever it occurs.
  struct FrameClass {
    CapturedFrame frame;
    bool alloc_fn;
    MainKind main;
  };
  struct Place {
    uint64_t start;  // in keys_
    uint32_t stack, first_seen;
    uint16_t length, common;
  };

  using Classify = std::function<FrameClass(const CapturedFrame& frame)>;
  static FrameClass classify(const CapturedFrame& frame, const std::set<std::string>& alloc_fns,
                             const Describe& describe, const NameSymbol& name_symbol);
  void classify_all(const StackReader& stacks, const Classify& classify_one);
  void find_ends(const StackReader& stacks);
  void add(const StackReader& stacks, uint32_t stack, uint32_t first_seen, unsigned depth);
  void sort(uint64_t first, uint64_t last, unsigned depth);
  void number();
  uint32_t key(const Place& place, unsigned depth) const {
    return depth < place.length ? keys_[place.start + depth] : 0;
  }

  std::vector<FrameClass> frames_;   // distinct ones, sorted by what is looked up
  std::vector<uint32_t> node_keys_;  // of each node of the depot: 1 + index in frames_
  std::vector<uint32_t> ends_;       // of each node: main's around it, or the innermost below main; 0: none
  std::vector<uint32_t> keys_;       // of all contexts
  std::vector<Place> places_;
  std::vector<uint32_t> ranks_;  // by stack
};

}  // namespace vsup::supervisor::massif
