#include "supervisor/reports/massif/massif_writer.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>

namespace vsup::supervisor::massif {

namespace {

constexpr const char* kTop = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";

// A stack without the allocation functions at its top and what is below main.
struct Context {
  std::vector<CapturedFrame> frames;
  std::vector<uint64_t> addresses;  // frames' lookup addresses, to sort and group by
  uint32_t rank = 0;                // its place among all contexts sorted by addresses
};

// What a context holds in one snapshot.
struct Share {
  const Context* context;
  uint64_t bytes;
  uint32_t rank;  // the context's, at hand for sorting
};

enum class MainKind { kNeither, kMain, kBelowMain };

MainKind main_kind(const std::string& function) {
  if (function == "main") return MainKind::kMain;
  for (const char* below : {"__libc_start_main", "__libc_start_call_main", "generic_start_main", "_start"})
    if (function.rfind(below, 0) == 0) return MainKind::kBelowMain;
  return MainKind::kNeither;
}

// Python's functions have names of their own choice.
MainKind main_kind(const DescribedFrame& frame) {
  return frame.lines.empty() || frame.python ? MainKind::kNeither : main_kind(frame.lines.back().function);
}

class TreeWriter {
 public:
  TreeWriter(const WriterOptions& options, const Describe& describe, std::string& text)
      : options_(options), describe_(describe), text_(text) {}

  void write(std::vector<Share> shares, uint64_t heap_bytes, uint64_t other_bytes) {
    std::sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) { return a.rank < b.rank; });
    significant_ =
        heap_bytes == 0 && options_.threshold != 0
            ? 1
            : static_cast<uint64_t>(static_cast<double>(heap_bytes + other_bytes) * options_.threshold / 100);
    const std::vector<Group> groups = group(shares.data(), shares.data() + shares.size(), 0);
    text_ += "n" + std::to_string(groups.size()) + ": " + std::to_string(heap_bytes) + " " + kTop + "\n";
    for (const Group& one : groups) write_group(one, 0, 0);
  }

 private:
  // Contexts with the same frame at one depth; or, without a first one, places below the threshold.
  struct Group {
    const Share *first = nullptr, *last = nullptr;
    uint64_t address = 0;
    uint64_t bytes = 0;
    unsigned places = 0;
  };

  std::vector<Group> group(const Share* first, const Share* last, size_t depth) const {
    std::vector<Group> groups;
    Group minor;
    while (first != last) {
      if (first->context->frames.size() <= depth) {
        ++first;
        continue;
      }
      Group one{first, first, first->context->addresses[depth], 0, 1};
      for (; one.last != last; ++one.last) {
        const std::vector<uint64_t>& addresses = one.last->context->addresses;
        if (addresses.size() <= depth || addresses[depth] != one.address) break;
        one.bytes += one.last->bytes;
      }
      first = one.last;
      if (one.bytes >= significant_) {
        groups.push_back(one);
      } else {
        minor.bytes += one.bytes;
        ++minor.places;
      }
    }
    if (minor.places != 0) groups.push_back(minor);
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return a.bytes != b.bytes ? a.bytes > b.bytes : a.address < b.address;
    });
    return groups;
  }

  void write_group(const Group& group_to_write, size_t depth, size_t indent) {
    if (group_to_write.first == nullptr) {
      char text[128];
      snprintf(text, sizeof text, "n0: %lu in %u place%s below massif's threshold (%.2f%%)\n", group_to_write.bytes,
               group_to_write.places, group_to_write.places == 1 ? "," : "s, all", options_.threshold);
      text_ += std::string(indent + 1, ' ') + text;
      return;
    }
    const std::vector<Group> below = group(group_to_write.first, group_to_write.last, depth + 1);
    const CapturedFrame& frame = group_to_write.first->context->frames[depth];
    const DescribedFrame& described = describe_(frame);
    const size_t lines = std::max<size_t>(described.lines.size(), 1);
    for (size_t line = 0; line < lines; ++line) {
      const bool inlined = line + 1 < lines;
      text_ += std::string(indent + 1, ' ') + "n" + std::to_string(inlined ? 1 : below.size()) + ": " +
               std::to_string(group_to_write.bytes) + " " + describe_line(frame, described, line) + "\n";
      if (inlined) ++indent;
    }
    for (const Group& one : below) write_group(one, depth + 1, indent + 1);
  }

  static std::string describe_line(const CapturedFrame& frame, const DescribedFrame& described, size_t line) {
    char address[32];
    snprintf(address, sizeof address, "0x%lX: ", frame.lookup());
    std::string text = address;
    if (line >= described.lines.size()) return text + "???";
    const DescribedFrame::Line& one = described.lines[line];
    if (!described.python && main_kind(one.function) == MainKind::kBelowMain) {
      text += "(below main)";
    } else {
      text += one.function.empty() ? "???" : one.function;
    }
    if (!one.place.empty()) text += " (" + one.place + ")";
    return text;
  }

  const WriterOptions& options_;
  const Describe& describe_;
  std::string& text_;
  uint64_t significant_ = 0;
};

bool is_alloc_fn(const DescribedFrame& frame, const WriterOptions& options) {
  if (frame.lines.empty() || frame.python) return false;
  return std::all_of(frame.lines.begin(), frame.lines.end(), [&options](const DescribedFrame::Line& line) {
    return !line.function.empty() && options.alloc_fns.contains(line.function);
  });
}

Context make_context(std::vector<CapturedFrame> frames, const WriterOptions& options, const Describe& describe) {
  size_t top = 0;
  while (top < frames.size() && is_alloc_fn(describe(frames[top]), options)) ++top;
  size_t end = frames.size();
  // Up to main, else up to the innermost of what is below it.
  for (size_t at = frames.size(); at-- > 0;) {
    const MainKind kind = main_kind(describe(frames[at]));
    if (kind != MainKind::kNeither) end = at + 1;
    if (kind == MainKind::kMain) break;
  }
  if (end <= top && top < frames.size()) end = top + 1;
  Context context;
  for (size_t at = top; at < end && context.frames.size() < options.depth; ++at) {
    context.frames.push_back(frames[at]);
    context.addresses.push_back(frames[at].lookup());
  }
  return context;
}

// Of each stack that a snapshot shows. A large program has hundreds of thousands: they are sorted once for all
// snapshots.
std::unordered_map<uint32_t, Context> make_contexts(const HeapProfile& profile, const WriterOptions& options,
                                                    const Describe& describe) {
  std::unordered_map<uint32_t, Context> contexts;
  for (const SnapshotData& snapshot : profile.snapshots) {
    if (!snapshot.detailed) continue;
    for (const auto& [id, bytes] : snapshot.stacks) {
      const auto [place, fresh] = contexts.try_emplace(id);
      if (fresh) place->second = make_context(profile.stacks.frames(id), options, describe);
    }
  }
  std::vector<Context*> sorted;
  sorted.reserve(contexts.size());
  for (auto& [id, context] : contexts) sorted.push_back(&context);
  std::sort(sorted.begin(), sorted.end(),
            [](const Context* a, const Context* b) { return a->addresses < b->addresses; });
  uint32_t rank = 0;
  for (Context* context : sorted) context->rank = rank++;
  return contexts;
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

std::string write_massif(const HeapProfile& profile, const WriterOptions& options, const Describe& describe) {
  std::string text = "desc: " + (options.description.empty() ? "(none)" : options.description) + "\n";
  text += "cmd: " + profile.command + "\n";
  text += "time_unit: " + options.time_unit + "\n";
  const std::unordered_map<uint32_t, Context> contexts = make_contexts(profile, options, describe);
  unsigned number = 0;
  for (const SnapshotData& snapshot : profile.snapshots) {
    text += "#-----------\nsnapshot=" + std::to_string(number++) + "\n#-----------\n";
    text += "time=" + std::to_string(snapshot.time) + "\n";
    text += "mem_heap_B=" + std::to_string(snapshot.heap_bytes) + "\n";
    text += "mem_heap_extra_B=" + std::to_string(snapshot.extra_bytes) + "\n";
    text += "mem_stacks_B=" + std::to_string(snapshot.stack_bytes) + "\n";
    text += std::string("heap_tree=") + (!snapshot.detailed ? "empty" : snapshot.peak ? "peak" : "detailed") + "\n";
    if (!snapshot.detailed) continue;
    std::vector<Share> live;
    live.reserve(snapshot.stacks.size());
    for (const auto& [id, bytes] : snapshot.stacks) {
      const Context& context = contexts.at(id);
      live.push_back({&context, bytes, context.rank});
    }
    TreeWriter(options, describe, text)
        .write(std::move(live), snapshot.heap_bytes, snapshot.extra_bytes + snapshot.stack_bytes);
  }
  return text;
}

}  // namespace vsup::supervisor::massif
