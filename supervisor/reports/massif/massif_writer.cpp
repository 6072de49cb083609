#include "supervisor/reports/massif/massif_writer.h"

#include <algorithm>
#include <cstdio>

namespace vsup::supervisor::massif {

namespace {

constexpr const char* kPagesTop = "(page allocation syscalls) mmap/mremap/brk, --alloc-fns, etc.";
constexpr const char* kTop = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";

// What a context holds in one snapshot.
struct Share {
  uint64_t bytes;
  uint32_t rank;            // the context's
  uint16_t length, common;  // of the context; with the share before
};

class TreeWriter {
 public:
  TreeWriter(const WriterOptions& options, const Contexts& contexts, const Describe& describe, std::string& text)
      : options_(options), contexts_(contexts), describe_(describe), text_(text) {}

  // Shares in the order of their ranks.
  void write(const std::vector<Share>& shares, uint64_t heap_bytes, uint64_t other_bytes) {
    significant_ =
        heap_bytes == 0 && options_.threshold != 0
            ? 1
            : static_cast<uint64_t>(static_cast<double>(heap_bytes + other_bytes) * options_.threshold / 100);
    const std::vector<Group> groups = group(shares.data(), shares.data() + shares.size(), 0);
    text_ += "n" + std::to_string(groups.size()) + ": " + std::to_string(heap_bytes) + " " +
             (options_.pages ? kPagesTop : kTop) + "\n";
    for (const Group& one : groups) write_group(one, 0, 0);
  }

 private:
  // Contexts with the same frame at one depth; or, without a first one, places below the threshold.
  struct Group {
    const Share *first = nullptr, *last = nullptr;
    uint64_t bytes = 0;
    unsigned places = 0;
  };

  std::vector<Group> group(const Share* first, const Share* last, unsigned depth) const {
    std::vector<Group> groups;
    Group minor;
    while (first != last) {
      if (first->length <= depth) {
        ++first;
        continue;
      }
      Group one{first, first + 1, first->bytes, 1};
      for (; one.last != last && one.last->common > depth; ++one.last) one.bytes += one.last->bytes;
      first = one.last;
      if (one.bytes >= significant_) {
        groups.push_back(one);
      } else {
        minor.bytes += one.bytes;
        ++minor.places;
      }
    }
    // Equal ones stay in the order of their addresses, behind the minor.
    if (minor.places != 0) groups.insert(groups.begin(), minor);
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.bytes > b.bytes; });
    return groups;
  }

  void write_group(const Group& group_to_write, unsigned depth, size_t indent) {
    if (group_to_write.first == nullptr) {
      char text[128];
      snprintf(text, sizeof text, "n0: %lu in %u place%s below massif's threshold (%.2f%%)\n", group_to_write.bytes,
               group_to_write.places, group_to_write.places == 1 ? "," : "s, all", options_.threshold);
      text_ += std::string(indent + 1, ' ') + text;
      return;
    }
    const std::vector<Group> below = group(group_to_write.first, group_to_write.last, depth + 1);
    const CapturedFrame frame = contexts_.frame(group_to_write.first->rank, depth);
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
  const Contexts& contexts_;
  const Describe& describe_;
  std::string& text_;
  uint64_t significant_ = 0;
};

// What each context holds, in the order of ranks. One whose stacks hold nothing any more is a place still.
std::vector<Share> shares_of(const SnapshotData& snapshot, const Contexts& contexts, std::vector<uint64_t>& bytes) {
  bytes.assign(contexts.count(), 0);
  for (const auto& [stack, held] : snapshot.stacks)
    if (const uint32_t rank = contexts.rank(stack); rank != Contexts::kNone) bytes[rank] += held;
  std::vector<Share> shares;
  shares.reserve(contexts.count());
  uint16_t common = 0;  // with the last share
  for (uint32_t rank = 0; rank < contexts.count(); ++rank) {
    common = std::min(common, contexts.common(rank));
    if (contexts.first_seen(rank) >= snapshot.seen && bytes[rank] == 0) continue;
    shares.push_back({bytes[rank], rank, contexts.length(rank), common});
    common = UINT16_MAX;
  }
  return shares;
}

// An argument may have several lines; readers expect one.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\r', ' ');
  return text;
}

}  // namespace

std::string write_massif(const HeapProfile& profile, const WriterOptions& options, const Describe& describe,
                         const NameSymbol& name_symbol) {
  std::string text = "desc: " + (options.description.empty() ? "(none)" : options.description) + "\n";
  text += "cmd: " + one_line(profile.command) + "\n";
  text += "time_unit: " + options.time_unit + "\n";
  const Contexts contexts(profile, options.depth, options.alloc_fns, describe, name_symbol);
  std::vector<uint64_t> bytes;
  unsigned number = 0;
  for (const SnapshotData& snapshot : profile.snapshots) {
    text += "#-----------\nsnapshot=" + std::to_string(number++) + "\n#-----------\n";
    text += "time=" + std::to_string(snapshot.time) + "\n";
    text += "mem_heap_B=" + std::to_string(snapshot.heap_bytes) + "\n";
    text += "mem_heap_extra_B=" + std::to_string(snapshot.extra_bytes) + "\n";
    text += "mem_stacks_B=" + std::to_string(snapshot.stack_bytes) + "\n";
    text += std::string("heap_tree=") + (!snapshot.detailed ? "empty" : snapshot.peak ? "peak" : "detailed") + "\n";
    if (!snapshot.detailed) continue;
    TreeWriter(options, contexts, describe, text)
        .write(shares_of(snapshot, contexts, bytes), snapshot.heap_bytes, snapshot.extra_bytes + snapshot.stack_bytes);
  }
  return text;
}

}  // namespace vsup::supervisor::massif
