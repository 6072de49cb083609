#include "supervisor/reports/massif/contexts.h"

#include <algorithm>
#include <unordered_map>

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
                   const Describe& describe, const NameSymbol& name_symbol) {
  classify_all(profile.stacks,
               [&](const CapturedFrame& frame) { return classify(frame, alloc_fns, describe, name_symbol); });
  find_ends(profile.stacks);
  places_.reserve(profile.seen.size());
  for (uint32_t i = 0; i < profile.seen.size(); ++i) add(profile.stacks, profile.seen[i], i, depth);
  sort(0, places_.size(), 0);
  number();
}

// Most frames are neither, as their symbols say: debug information, which is slow, is for those that may be. A symbol
// may be an alias, or a part, of the function that debug information names.
Contexts::FrameClass Contexts::classify(const CapturedFrame& frame, const std::set<std::string>& alloc_fns,
                                        const Describe& describe, const NameSymbol& name_symbol) {
  if (frame.kind == protocol::kFramePython || frame.kind == protocol::kFrameNone)
    return {frame, false, MainKind::kNeither};
  const std::string symbol = name_symbol(frame);
  const std::string whole = symbol.substr(0, symbol.find('.'));
  const bool all_known = alloc_fns.size() == default_alloc_fns().size();
  if (all_known && !whole.empty() && whole != "main" && !alloc_fns.contains(whole))
    return {frame, false, main_kind(symbol)};
  const DescribedFrame& described = describe(frame);
  return {frame, is_alloc_fn(described, alloc_fns), kind_of(described)};
}

void Contexts::classify_all(const StackReader& stacks, const Classify& classify_one) {
  std::vector<std::pair<std::pair<uint64_t, bool>, uint32_t>> distinct;  // and a node that has it
  std::unordered_map<uint64_t, uint32_t> numbers;                        // in `distinct`, by the frame's bits
  node_keys_.assign(stacks.nodes(), 0);
  for (uint32_t id = 1; id < stacks.nodes(); ++id) {
    const CapturedFrame frame = stacks.frame(id);
    const uint64_t bits = uint64_t{frame.kind} << protocol::kFrameKindShift | frame.value;
    const auto [known, fresh] = numbers.try_emplace(bits, static_cast<uint32_t>(distinct.size()));
    if (fresh) distinct.emplace_back(order(frame), id);
    node_keys_[id] = known->second;
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
  for (uint32_t id = 1; id < stacks.nodes(); ++id) node_keys_[id] = keys[node_keys_[id]];
}

// Parents come before their children.
void Contexts::find_ends(const StackReader& stacks) {
  ends_.assign(stacks.nodes(), 0);
  for (uint32_t id = 1; id < stacks.nodes(); ++id) {
    const uint32_t outer = ends_[stacks.parent(id)];
    const bool ended = outer != 0 && frames_[node_keys_[outer] - 1].main == MainKind::kMain;
    ends_[id] = ended || frames_[node_keys_[id] - 1].main == MainKind::kNeither ? outer : id;
  }
}

void Contexts::add(const StackReader& stacks, uint32_t stack, uint32_t first_seen, unsigned depth) {
  Place place{keys_.size(), stack, first_seen, 0, 0};
  uint32_t end = stack < ends_.size() ? ends_[stack] : 0;
  uint32_t at = stack < ends_.size() ? stack : 0;
  bool passed_end = false;
  unsigned steps = 0;
  for (; at != 0 && frames_[node_keys_[at] - 1].alloc_fn && steps < stacks.depth(); ++steps) {
    passed_end |= at == end;
    at = stacks.parent(at);
  }
  if (passed_end) end = at;
  depth = std::min(depth, stacks.depth() - steps);
  for (; at != 0 && place.length < depth; at = stacks.parent(at)) {
    keys_.push_back(node_keys_[at]);
    ++place.length;
    if (at == end) break;
  }
  places_.push_back(place);
}

// Three-way quicksort by the keys at one depth; within equal ones by the next.
void Contexts::sort(uint64_t first, uint64_t last, unsigned depth) {
  while (last - first > 1) {
    const uint32_t pivot = key(places_[first + (last - first) / 2], depth);
    uint64_t below = first, above = last;  // smaller ones are before `below`, greater ones from `above` on
    for (uint64_t at = first; at < above;) {
      const uint32_t here = key(places_[at], depth);
      if (here < pivot) {
        std::swap(places_[below++], places_[at++]);
      } else if (here > pivot) {
        std::swap(places_[at], places_[--above]);
      } else {
        ++at;
      }
    }
    if (pivot != 0) sort(below, above, depth + 1);
    // The smaller side by recursion, so that it is never deep.
    if (below - first < last - above) {
      sort(first, below, depth);
      first = above;
    } else {
      sort(above, last, depth);
      last = below;
    }
  }
}

void Contexts::number() {
  uint32_t highest = 0;
  for (const Place& place : places_) highest = std::max(highest, place.stack);
  ranks_.assign(places_.empty() ? 0 : highest + size_t{1}, kNone);
  size_t kept = 0;
  for (const Place& place : places_) {
    uint16_t common = 0;
    if (kept != 0) {
      const Place& before = places_[kept - 1];
      while (common < place.length && common < before.length &&
             keys_[place.start + common] == keys_[before.start + common])
        ++common;
      if (common == place.length && common == before.length) {
        ranks_[place.stack] = static_cast<uint32_t>(kept - 1);
        places_[kept - 1].first_seen = std::min(before.first_seen, place.first_seen);
        continue;
      }
    }
    ranks_[place.stack] = static_cast<uint32_t>(kept);
    places_[kept] = place;
    places_[kept++].common = common;
  }
  places_.resize(kept);
}

}  // namespace vsup::supervisor::massif
