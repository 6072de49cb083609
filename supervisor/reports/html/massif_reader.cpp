#include "supervisor/reports/html/massif_reader.h"

#include <algorithm>
#include <charconv>

namespace vsup::supervisor::html {
namespace {

using callgrind::NamedStacks;

constexpr size_t kMaxDepth = 512;

class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }

  std::string_view peek() const { return text_.substr(0, text_.find('\n')); }

  std::string_view next() {
    std::string_view line = peek();
    text_.remove_prefix(std::min(line.size() + 1, text_.size()));
    return line;
  }

  // The rest of the next line if that begins with `head`.
  std::optional<std::string_view> after(std::string_view head) {
    if (at_end() || !peek().starts_with(head)) return std::nullopt;
    return next().substr(head.size());
  }

  bool number_after(std::string_view head, uint64_t& number) {
    auto rest = after(head);
    if (!rest) return false;
    return std::from_chars(rest->data(), rest->data() + rest->size(), number).ec == std::errc();
  }

 private:
  std::string_view text_;
};

// " n3: 1024 0x401136: main (x.c:12)": one blank a level, the number of children, bytes, what it is.
struct TreeLine {
  size_t depth = 0;
  uint64_t children = 0, bytes = 0;
  std::string_view label;
};

std::optional<TreeLine> read_tree_line(std::string_view line) {
  TreeLine result;
  result.depth = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(result.depth);
  if (!line.starts_with('n')) return std::nullopt;
  const char* end = line.data() + line.size();
  auto children = std::from_chars(line.data() + 1, end, result.children);
  if (children.ec != std::errc() || end - children.ptr < 2 || children.ptr[0] != ':') return std::nullopt;
  auto bytes = std::from_chars(children.ptr + 2, end, result.bytes);
  if (bytes.ec != std::errc() || bytes.ptr == end || bytes.ptr[0] != ' ') return std::nullopt;
  result.label = std::string_view(bytes.ptr + 1, static_cast<size_t>(end - bytes.ptr - 1));
  // Without the address: frames of one function and line are one.
  if (result.label.starts_with("0x")) {
    size_t colon = result.label.find(": ");
    if (colon != std::string_view::npos) result.label.remove_prefix(colon + 2);
  }
  return result;
}

NamedStacks read_tree(Lines& lines) {
  struct Open {
    std::string_view label;
    uint64_t bytes_left;  // not told by children yet
  };
  callgrind::StacksBuilder builder;
  std::vector<Open> open;
  std::vector<std::string> path;
  auto close = [&](size_t depth) {
    while (open.size() > depth) {
      path.clear();
      // The first line stands for all allocation functions; it is no frame. The last one is the outermost caller.
      for (size_t i = open.size(); i > 1; i--) path.emplace_back(open[i - 1].label);
      if (open.back().bytes_left != 0 && !path.empty()) builder.add(path, open.back().bytes_left);
      open.pop_back();
    }
  };
  while (!lines.at_end()) {
    auto line = read_tree_line(lines.peek());
    if (!line || line->depth > open.size() || line->depth > kMaxDepth || (line->depth == 0 && !open.empty())) break;
    lines.next();
    close(line->depth);
    if (!open.empty()) open.back().bytes_left -= std::min(open.back().bytes_left, line->bytes);
    open.push_back({line->label, line->bytes});
  }
  close(0);
  return builder.take();
}

bool read_snapshot(Lines& lines, MassifSnapshot& snapshot) {
  while (lines.after("#-")) continue;
  if (!lines.number_after("snapshot=", snapshot.number)) return false;
  while (lines.after("#-")) continue;
  bool good = lines.number_after("time=", snapshot.time) && lines.number_after("mem_heap_B=", snapshot.heap) &&
              lines.number_after("mem_heap_extra_B=", snapshot.extra) &&
              lines.number_after("mem_stacks_B=", snapshot.stacks);
  auto kind = lines.after("heap_tree=");
  if (!good || !kind) return false;
  if (*kind == "empty") return true;
  snapshot.kind = *kind == "peak" ? MassifSnapshot::Kind::kPeak : MassifSnapshot::Kind::kDetailed;
  snapshot.tree = read_tree(lines);
  return true;
}

}  // namespace

std::optional<MassifFile> read_massif(std::string_view text) {
  Lines lines(text);
  MassifFile file;
  auto description = lines.after("desc:");
  auto command = lines.after("cmd:");
  auto unit = lines.after("time_unit:");
  if (!description || !command || !unit) return std::nullopt;
  auto trimmed = [](std::string_view words) {
    words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
    return std::string(words);
  };
  file.description = trimmed(*description);
  file.command = trimmed(*command);
  file.time_unit = trimmed(*unit);
  for (MassifSnapshot snapshot; read_snapshot(lines, snapshot); snapshot = {}) {
    file.snapshots.push_back(std::move(snapshot));
  }
  return file;
}

}  // namespace vsup::supervisor::html
