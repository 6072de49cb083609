#include "supervisor/reports/massif/contexts.h"

#include <algorithm>

#include "supervisor/base/large_allocator.h"

namespace vsup::supervisor::massif {

namespace {

bool is_alloc_fn(const DescribedFrame& frame, const std::set<std::string>& alloc_fns) {
  if (frame.lines.empty() || frame.python) return false;
  return std::all_of(frame.lines.begin(), frame.lines.end(), [&alloc_fns](const DescribedFrame::Line& line) {
    return !line.function.empty() && alloc_fns.contains(line.function);
  });
}

// Python's functions have names of their own choice.
MainKind kind_of(const DescribedFrame& frame) {
  return frame.lines.empty() || frame.python ? MainKind::kNeither : main_kind(frame.lines.back().function);
}

// Python's frames have values of their own kind.
std::pair<uint64_t, bool> order(const CapturedFrame& frame) {
  return {frame.lookup(), frame.kind == protocol::kFramePython};
}

// Numbers of distinct frames in the order of their coming, by linear probing: it is asked for every node of the depot.
class FrameNumbers {
 public:
  // And whether it is new.
  std::pair<uint32_t, bool> number(uint64_t bits) {
    if (size_t{count_} * 2 >= slots_.size()) grow();
    Slot& slot = find(bits);
    const bool fresh = slot.number == 0;
    if (fresh) slot = {bits, ++count_};
    return {slot.number - 1, fresh};
  }

 private:
  struct Slot {
    uint64_t bits;
    uint32_t number;  // from 1; 0: empty
  };

  Slot& find(uint64_t bits) {
    constexpr uint64_t kMix = 0x9e3779b97f4a7c15;  // 2^64 by the golden ratio
    const size_t mask = slots_.size() - 1;
    size_t at = static_cast<size_t>(bits * kMix >> 32) & mask;
    while (slots_[at].number != 0 && slots_[at].bits != bits) at = (at + 1) & mask;
    return slots_[at];
  }

  void grow() {
    std::vector<Slot> before(slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.number != 0) find(slot.bits) = slot;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  uint32_t count_ = 0;
};

}  // namespace

const std::vector<std::string>& default_alloc_fns() {
  static const std::vector<std::string> names = {
      "malloc",
      "calloc",
      "realloc",
      "memalign",
      "posix_memalign",
      "aligned_alloc",
      "valloc",
      "reallocarray",
      "operator new(unsigned long)",
      "operator new[](unsigned long)",
      "operator new(unsigned long, std::nothrow_t const&)",
      "operator new[](unsigned long, std::nothrow_t const&)",
      "operator new(unsigned long, std::align_val_t)",
      "operator new[](unsigned long, std::align_val_t)",
      "operator new(unsigned long, std::align_val_t, std::nothrow_t const&)",
      "operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)",
  };
  return names;
}

MainKind main_kind(const std::string& function) {
  if (function == "main") return MainKind::kMain;
  for (const char* below : {"__libc_start_main", "__libc_start_call_main", "generic_start_main", "_start"})
    if (function.rfind(below, 0) == 0) return MainKind::kBelowMain;
  return MainKind::kNeither;
}

Contexts::Contexts(const HeapProfile& profile, unsigned depth, const std::set<std::string>& alloc_fns,
                   const Describe& describe, const NameSymbol& name_symbol)
    : changes_(profile.changes) {
  classify_all(profile.stacks,
               [&](const CapturedFrame& frame) { return classify(frame, alloc_fns, describe, name_symbol); });
  const std::vector<uint32_t> ends = find_ends();
  const unsigned most = profile.stacks.depth();
  const auto count = static_cast<uint32_t>(profile.seen.size());
  reserve_pages(branch_of_, steps_.size());
  branch_of_.assign(steps_.size(), kNone);
  resize_pages(held_, steps_.size());
  reserve_pages(places_, count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t stack = profile.seen[i];
    if (stack == 0 || stack >= steps_.size() || branch_of_[stack] != kNone) continue;
    branch_of_[stack] = kRoot;
    places_.push_back(place_of(stack, i, ends[stack], depth, most));
  }
  starts_.resize(frames_.size() + 2);
  branches_.push_back({0, 0, 0, static_cast<uint32_t>(places_.size()), 0});
}

// Most frames are neither, as their symbols say: debug information, which is slow, is for those that may be. A symbol
// may be an alias, or a part, of the function that debug information names.
Contexts::FrameClass Contexts::classify(const CapturedFrame& frame, const std::set<std::string>& alloc_fns,
                                        const Describe& describe, const NameSymbol& name_symbol) {
  if (frame.kind == protocol::kFramePython || frame.kind == protocol::kFrameNone)
    return {frame, false, MainKind::kNeither};
  const std::optional<std::string> symbol = name_symbol(frame);
  if (symbol) {
    const std::string whole = symbol->substr(0, symbol->find('.'));
    const bool all_known = alloc_fns.size() == default_alloc_fns().size();
    if (symbol->empty() || (all_known && !whole.empty() && whole != "main" && !alloc_fns.contains(whole)))
      return {frame, false, main_kind(*symbol)};
  }
  const DescribedFrame& described = describe(frame);
  return {frame, is_alloc_fn(described, alloc_fns), kind_of(described)};
}

void Contexts::classify_all(const StackReader& stacks, const Classify& classify_one) {
  std::vector<std::pair<std::pair<uint64_t, bool>, uint32_t>> distinct;  // and a node that has it
  FrameNumbers numbers;                                                  // in `distinct`, by the frame's bits
  resize_pages(steps_, std::max<size_t>(stacks.nodes(), 1));
  for (uint32_t id = 1; id < stacks.nodes(); ++id) {
    const CapturedFrame frame = stacks.frame(id);
    const uint64_t bits = uint64_t{frame.kind} << protocol::kFrameKindShift | frame.value;
    const auto [number, fresh] = numbers.number(bits);
    if (fresh) distinct.emplace_back(order(frame), id);
    steps_[id] = {number, stacks.parent(id)};
  }
  std::vector<uint32_t> sorted(distinct.size()), keys(distinct.size());
  for (uint32_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
  std::sort(sorted.begin(), sorted.end(),
            [&distinct](uint32_t a, uint32_t b) { return distinct[a].first < distinct[b].first; });
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || distinct[sorted[i]].first != distinct[sorted[i - 1]].first) {
      frames_.push_back(classify_one(stacks.frame(distinct[sorted[i]].second)));
    }
    keys[sorted[i]] = static_cast<uint32_t>(frames_.size());
  }
  for (uint32_t id = 1; id < stacks.nodes(); ++id) steps_[id].key = keys[steps_[id].key];
}

// Of each node: main's around it, or the innermost below main; 0: there is none. Parents come before their children.
std::vector<uint32_t> Contexts::find_ends() const {
  std::vector<uint32_t> ends;
  resize_pages(ends, steps_.size());
  for (uint32_t id = 1; id < steps_.size(); ++id) {
    const uint32_t outer = ends[steps_[id].parent];
    const bool ended = outer != 0 && frames_[steps_[outer].key - 1].main == MainKind::kMain;
    ends[id] = ended || frames_[steps_[id].key - 1].main == MainKind::kNeither ? outer : id;
  }
  return ends;
}

Contexts::Place Contexts::place_of(uint32_t stack, uint32_t seen, uint32_t end, unsigned depth, unsigned most) const {
  uint32_t at = stack;
  bool passed_end = false;
  unsigned steps = 0;
  for (; at != 0 && frames_[steps_[at].key - 1].alloc_fn && steps < most; ++steps) {
    passed_end |= at == end;
    at = steps_[at].parent;
  }
  if (passed_end) end = at;
  const unsigned left = std::min(depth, most - steps);
  return {stack, seen, left == 0 ? 0 : at, end, left, 0};
}

void Contexts::advance(Place& place) const {
  if (place.at == 0) return;
  --place.left;
  place.at = place.at == place.end || place.left == 0 ? 0 : steps_[place.at].parent;
}

// By keys. Many are counted by key; few are compared.
void Contexts::sort(uint32_t first, uint32_t last) {
  const uint32_t count = last - first;
  if (count < frames_.size() / 8) {
    std::sort(places_.begin() + first, places_.begin() + last,
              [this](const Place& a, const Place& b) { return a.key != b.key ? a.key < b.key : a.seen < b.seen; });
    return;
  }
  std::fill(starts_.begin(), starts_.end(), 0);
  for (uint32_t i = first; i < last; ++i) ++starts_[places_[i].key + 1];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  if (sorted_.capacity() < count) reserve_pages(sorted_, count);
  sorted_.resize(count);
  for (uint32_t i = first; i < last; ++i) sorted_[starts_[places_[i].key]++] = places_[i];
  std::copy(sorted_.begin(), sorted_.end(), places_.begin() + first);
}

std::pair<uint32_t, uint32_t> Contexts::parts(uint32_t branch) {
  if (!branches_[branch].split) split(branch);
  return {branches_[branch].first_part, branches_[branch].last_part};
}

void Contexts::split(uint32_t branch) {
  const uint32_t first = branches_[branch].first, last = branches_[branch].last;
  constexpr uint32_t kAhead = 16;
  for (uint32_t i = first; i < last; ++i) {
    if (last - i > kAhead) __builtin_prefetch(&steps_[places_[i + kAhead].at]);
    Place& place = places_[i];
    if (branch != kRoot) advance(place);
    place.key = place.at == 0 ? 0 : steps_[place.at].key;
  }
  sort(first, last);
  const auto first_part = static_cast<uint32_t>(branches_.size());
  uint64_t left = 0;  // in stacks that end here
  for (uint32_t i = first; i < last;) {
    const uint32_t here = places_[i].key, start = i;
    const auto number = here == 0 ? branch : static_cast<uint32_t>(branches_.size());
    uint32_t first_seen = kNone;
    uint64_t bytes = 0;
    for (; i < last && places_[i].key == here; ++i) {
      const Place& place = places_[i];
      first_seen = std::min(first_seen, place.seen);
      bytes += held_[place.stack];
      branch_of_[place.stack] = number;
    }
    if (here != 0) {
      branches_.push_back({branch, here, start, i, first_seen, bytes, bytes});
    } else {
      left += bytes;
    }
  }
  Branch& parent = branches_[branch];
  parent.own = left;
  parent.split = true;
  parent.first_part = first_part;
  parent.last_part = static_cast<uint32_t>(branches_.size());
}

void Contexts::apply(const agent::massif::Change& change) {
  if (change.stack >= branch_of_.size() || branch_of_[change.stack] == kNone) return;
  uint64_t& held = held_[change.stack];
  branches_[branch_of_[change.stack]].own += change.bytes - held;
  held = change.bytes;
}

// Branches come before their parts.
void Contexts::take(const SnapshotData& snapshot) {
  for (; applied_ < snapshot.changes && applied_ < changes_.size(); ++applied_) apply(changes_[applied_]);
  seen_ = snapshot.seen;
  for (Branch& branch : branches_) branch.bytes = branch.own;
  for (size_t i = branches_.size() - 1; i > kRoot; --i) branches_[branches_[i].parent].bytes += branches_[i].bytes;
}

}  // namespace vsup::supervisor::massif
