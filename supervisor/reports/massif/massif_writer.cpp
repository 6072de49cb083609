#include "supervisor/reports/massif/massif_writer.h"

#include <algorithm>
#include <cstdio>

namespace vsup::supervisor::massif {

namespace {

constexpr const char* kPagesTop = "(page allocation syscalls) mmap/mremap/brk, --alloc-fns, etc.";
constexpr const char* kTop = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";

class TreeWriter {
 public:
  TreeWriter(const WriterOptions& options, Contexts& contexts, const Describe& describe, std::string& text)
      : options_(options), contexts_(contexts), describe_(describe), text_(text) {}

  // Of the snapshot that the contexts have taken.
  void write(uint64_t heap_bytes, uint64_t other_bytes) {
    significant_ =
        heap_bytes == 0 && options_.threshold != 0
            ? 1
            : static_cast<uint64_t>(static_cast<double>(heap_bytes + other_bytes) * options_.threshold / 100);
    const std::vector<Group> groups = group(Contexts::kRoot);
    text_ += "n" + std::to_string(groups.size()) + ": " + std::to_string(heap_bytes) + " " +
             (options_.pages ? kPagesTop : kTop) + "\n";
    for (const Group& one : groups) write_group(one, 0);
  }

 private:
  // A branch of the contexts; or, kRoot, places below the threshold.
  struct Group {
    uint32_t branch = Contexts::kRoot;
    uint64_t bytes = 0;
    unsigned places = 0;
  };

  std::vector<Group> group(uint32_t parent) {
    std::vector<Group> groups;
    Group minor;
    const auto [first, last] = contexts_.parts(parent);
    for (uint32_t branch = first; branch < last; ++branch) {
      if (!contexts_.is_place(branch)) continue;
      const uint64_t bytes = contexts_.bytes(branch);
      if (bytes >= significant_) {
        groups.push_back({branch, bytes, 1});
      } else {
        minor.bytes += bytes;
        ++minor.places;
      }
    }
    // Equal ones stay in the order of their addresses, behind the minor.
    if (minor.places != 0) groups.insert(groups.begin(), minor);
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.bytes > b.bytes; });
    return groups;
  }

  void write_group(const Group& group_to_write, size_t indent) {
    if (group_to_write.branch == Contexts::kRoot) {
      char text[128];
      snprintf(text, sizeof text, "n0: %lu in %u place%s below massif's threshold (%.2f%%)\n", group_to_write.bytes,
               group_to_write.places, group_to_write.places == 1 ? "," : "s, all", options_.threshold);
      text_ += std::string(indent + 1, ' ') + text;
      return;
    }
    const std::vector<Group> below = group(group_to_write.branch);
    const CapturedFrame frame = contexts_.frame(group_to_write.branch);
    const DescribedFrame& described = describe_(frame);
    const size_t lines = std::max<size_t>(described.lines.size(), 1);
    for (size_t line = 0; line < lines; ++line) {
      const bool inlined = line + 1 < lines;
      text_ += std::string(indent + 1, ' ') + "n" + std::to_string(inlined ? 1 : below.size()) + ": " +
               std::to_string(group_to_write.bytes) + " " + describe_line(frame, described, line) + "\n";
      if (inlined) ++indent;
    }
    for (const Group& one : below) write_group(one, indent + 1);
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
  Contexts& contexts_;
  const Describe& describe_;
  std::string& text_;
  uint64_t significant_ = 0;
};

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
  Contexts contexts(profile, options.depth, options.alloc_fns, describe, name_symbol);
  unsigned number = 0;
  for (const SnapshotData& snapshot : profile.snapshots) {
    text += "#-----------\nsnapshot=" + std::to_string(number++) + "\n#-----------\n";
    text += "time=" + std::to_string(snapshot.time) + "\n";
    text += "mem_heap_B=" + std::to_string(snapshot.heap_bytes) + "\n";
    text += "mem_heap_extra_B=" + std::to_string(snapshot.extra_bytes) + "\n";
    text += "mem_stacks_B=" + std::to_string(snapshot.stack_bytes) + "\n";
    text += std::string("heap_tree=") + (!snapshot.detailed ? "empty" : snapshot.peak ? "peak" : "detailed") + "\n";
    if (!snapshot.detailed) continue;
    contexts.take(snapshot);
    TreeWriter(options, contexts, describe, text)
        .write(snapshot.heap_bytes, snapshot.extra_bytes + snapshot.stack_bytes);
  }
  return text;
}

}  // namespace vsup::supervisor::massif
