// Purpose: the stacks of a heap profile as massif shows them: without the allocation functions at their top and what
// is below main, cut to the depth, as a tree from the inside out, and what its branches hold in a snapshot.
// Promises: work in proportion to the stacks in the branches that are looked into, which are few where small ones are
// passed over: a large program has a million stacks of 30 frames.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/reports/heap/described_frame.h"
#include "supervisor/reports/massif/massif_profile.h"

namespace vsup::supervisor::massif {

using Describe = std::function<const DescribedFrame&(const CapturedFrame& frame)>;
// The function's name by symbol tables, without its lines: much quicker. Empty: it has none; none: debug information
// may have one.
using NameSymbol = std::function<std::optional<std::string>(const CapturedFrame& frame)>;

// The names that are allocation functions without being said to be.
const std::vector<std::string>& default_alloc_fns();

enum class MainKind : uint8_t { kNeither, kMain, kBelowMain };
MainKind main_kind(const std::string& function);

// A branch is the stacks that agree in their innermost frames.
class Contexts {
 public:
  // What all stacks are in.
  static constexpr uint32_t kRoot = 0;

  // The profile has to stay.
  Contexts(const HeapProfile& profile, unsigned depth, const std::set<std::string>& alloc_fns, const Describe& describe,
           const NameSymbol& name_symbol);

  // What is asked from now on is asked of this snapshot, which is none before the last one taken.
  void take(const SnapshotData& snapshot);
  uint64_t bytes(uint32_t branch) const { return branches_[branch].bytes; }
  // Whether one of its stacks holds bytes then or has held some before: one that holds nothing any more is a place
  // still.
  bool is_place(uint32_t branch) const { return branches_[branch].bytes != 0 || branches_[branch].first_seen < seen_; }
  // Its parts by one frame more, [first, last), in the order of the addresses; stacks that end here are in none.
  std::pair<uint32_t, uint32_t> parts(uint32_t branch);
  // The last of the frames in which its stacks agree; not of kRoot.
  CapturedFrame frame(uint32_t branch) const { return frames_[branches_[branch].key - 1].frame; }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // What there is to know of one frame, wherever it occurs.
  struct FrameClass {
    CapturedFrame frame;
    bool alloc_fn;
    MainKind main;
  };
  // A node of the depot.
  struct Step {
    uint32_t key;     // 1 + index in frames_
    uint32_t parent;  // 0: none
  };
  struct Place {
    uint32_t stack;
    uint32_t seen;  // index in HeapProfile::seen
    uint32_t at;    // the node whose frame is the next one; 0: it has no more
    uint32_t end;   // the last one that is shown
    uint32_t left;  // how many more there may be
    uint32_t key;   // of the next one's frame, once its branch is about to be split; 0: it has no more
  };
  struct Branch {
    uint32_t parent, key;
    uint32_t first, last;                    // in places_
    uint32_t first_seen;                     // the least
    uint64_t bytes = 0;                      // in the snapshot
    uint64_t own = 0;                        // of them, of stacks that are in none of its parts
    bool split = false;                      // has its parts
    uint32_t first_part = 0, last_part = 0;  // in branches_
  };

  using Classify = std::function<FrameClass(const CapturedFrame& frame)>;
  static FrameClass classify(const CapturedFrame& frame, const std::set<std::string>& alloc_fns,
                             const Describe& describe, const NameSymbol& name_symbol);
  void classify_all(const StackReader& stacks, const Classify& classify_one);
  std::vector<uint32_t> find_ends() const;
  Place place_of(uint32_t stack, uint32_t seen, uint32_t end, unsigned depth, unsigned most) const;
  void split(uint32_t branch);
  void apply(const agent::massif::Change& change);
  void advance(Place& place) const;
  void sort(uint32_t first, uint32_t last);

  std::vector<FrameClass> frames_;  // distinct ones, sorted by what is looked up
  std::vector<Step> steps_;
  std::vector<Place> places_, sorted_;
  std::vector<uint32_t> starts_;  // of sort: by key
  std::vector<Branch> branches_;
  std::vector<uint32_t> branch_of_;  // by stack: the innermost branch so far; kNone: it is in none
  const std::vector<agent::massif::Change>& changes_;
  size_t applied_ = 0;          // of them
  uint64_t seen_ = 0;           // stacks, in the snapshot
  std::vector<uint64_t> held_;  // by stack, in the snapshot
};

}  // namespace vsup::supervisor::massif
