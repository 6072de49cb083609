#include "supervisor/reports/suppressions.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

#include "supervisor/reports/numbers.h"
#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxLocations = 24;
constexpr size_t kMaxFileSize = size_t{16} << 20;
constexpr std::string_view kTool = "Memcheck";
constexpr std::string_view kBlanks = " \t\r\f\v";

struct KindRow {
  SuppressionKind kind;
  std::string_view spelling;
};
constexpr KindRow kKinds[] = {
#define VSUP_SUPPRESSION_KIND(name, spelling) {SuppressionKind::k##name, spelling},
#include "supervisor/reports/suppression_kinds.def"
#undef VSUP_SUPPRESSION_KIND
};

// What is inside the braces of an entry or between entries, line by line, without blank lines and comments.
class Lines {
 public:
  Lines(const std::string& file, std::string_view text) : file_(file), rest_(text) {}

  std::optional<std::string_view> next() {
    while (!rest_.empty()) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number_;
      line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
      line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
      if (!line.empty() && line.front() != '#') return line;
    }
    return std::nullopt;
  }

  // A line inside an entry, which must not end here; `expected` is for the message.
  std::string_view inside(const char* expected) {
    const auto line = next();
    if (!line) fail(std::string("the file ends where ") + expected + " should be");
    return *line;
  }

  unsigned number() const { return number_; }

  // Lines are quoted in messages, which go to terminals.
  [[noreturn]] void fail(std::string what) const {
    for (char& c : what) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    throw SuppressionError(file_ + ":" + std::to_string(number_) + ": " + what);
  }

 private:
  const std::string& file_;
  std::string_view rest_;
  unsigned number_ = 0;
};

bool lists_tool(std::string_view tools) {
  while (true) {
    const size_t comma = std::min(tools.find(','), tools.size());
    if (tools.substr(0, comma) == kTool) return true;
    if (comma == tools.size()) return false;
    tools.remove_prefix(comma + 1);
  }
}

SuppressionKind parse_kind(const Lines& lines, std::string_view word) {
  for (const KindRow& row : kKinds) {
    if (word == row.spelling) return row.kind;
  }
  lines.fail("'" + std::string(word) + "' is no kind of Memcheck's errors");
}

SuppressionLocation parse_location(const Lines& lines, std::string_view line) {
  using Kind = SuppressionLocation::Kind;
  if (line == "...") return {Kind::kAnyFrames, {}};
  constexpr struct {
    std::string_view prefix;
    Kind kind;
  } kPrefixes[] = {{"fun:", Kind::kFunction}, {"obj:", Kind::kObject}, {"src:", Kind::kSource}};
  for (const auto& row : kPrefixes) {
    if (!line.starts_with(row.prefix)) continue;
    line.remove_prefix(row.prefix.size());
    if (line.empty()) lines.fail("a pattern is missing after '" + std::string(row.prefix) + "'");
    return {row.kind, std::string(line)};
  }
  lines.fail("a location is ..., fun:, obj: or src:, not '" + std::string(line) + "'");
}

void skip_entry(Lines& lines) {
  while (lines.inside("the closing '}'") != "}") {
  }
}

// The line after match-leak-kinds: or the given one if it is none.
std::string_view parse_leak_line(Lines& lines, std::string_view line, Suppression& entry) {
  constexpr std::string_view kWord = "match-leak-kinds:";
  if (!line.starts_with(kWord)) return line;
  line.remove_prefix(kWord.size());
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const auto kinds = parse_leak_kinds(line);
  if (!kinds) {
    lines.fail("match-leak-kinds: takes all, none or a list of definite, indirect, possible, reachable, not '" +
               std::string(line) + "'");
  }
  entry.leak_kinds = *kinds;
  return lines.inside("a location");
}

// What is beyond those that count is read and left out.
void parse_locations(Lines& lines, std::string_view line, unsigned max_callers, Suppression& entry) {
  const size_t most = std::min<size_t>(max_callers, kMaxLocations);
  size_t count = 0;
  bool any_bound = false;
  for (; line != "}"; line = lines.inside("a location or the closing '}'")) {
    SuppressionLocation location = parse_location(lines, line);
    any_bound |= location.kind != SuppressionLocation::Kind::kAnyFrames;
    if (count++ < most) entry.locations.push_back(std::move(location));
  }
  if (count == 0) lines.fail("an entry without locations");
  if (!any_bound) lines.fail("at least one location must be another than ...");
}

// Nothing if the entry is for other tools.
std::optional<Suppression> parse_entry(Lines& lines, unsigned max_callers) {
  Suppression entry;
  entry.name = lines.inside("the entry's name");
  if (entry.name == "}") lines.fail("an entry without a name");
  entry.line = lines.number();
  const std::string_view tools_and_kind = lines.inside("tool:kind");
  const size_t colon = tools_and_kind.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    lines.fail("'" + std::string(tools_and_kind) + "' should be tool:kind");
  }
  if (!lists_tool(tools_and_kind.substr(0, colon))) {
    skip_entry(lines);
    return std::nullopt;
  }
  std::string_view kind = tools_and_kind.substr(colon + 1);
  kind.remove_prefix(std::min(kind.find_first_not_of(kBlanks), kind.size()));
  entry.kind = parse_kind(lines, kind);
  std::string_view line = lines.inside("a location");
  if (entry.kind == SuppressionKind::kParam || entry.kind == SuppressionKind::kFishyValue) {
    if (line == "}") lines.fail("the name of a parameter is missing");
    entry.extra = line;
    line = lines.inside("a location");
  } else if (entry.kind == SuppressionKind::kLeak) {
    line = parse_leak_line(lines, line, entry);
  }
  parse_locations(lines, line, max_callers, entry);
  return entry;
}

// "file" or "file:line", both patterns.
bool matches_source(std::string_view pattern, const SuppressionFrame& frame) {
  if (frame.source.empty()) return matches_pattern(pattern, "???");
  if (matches_pattern(pattern, frame.source)) return true;
  return matches_pattern(pattern, frame.source + ":" + std::to_string(frame.line));
}

bool matches_frame(const SuppressionLocation& location, const SuppressionFrame& frame) {
  switch (location.kind) {
    case SuppressionLocation::Kind::kFunction:
      return matches_pattern(location.pattern, frame.function.empty() ? "???" : std::string_view(frame.function));
    case SuppressionLocation::Kind::kObject:
      return matches_pattern(location.pattern, frame.object.empty() ? "???" : std::string_view(frame.object));
    case SuppressionLocation::Kind::kSource:
      return matches_source(location.pattern, frame);
    case SuppressionLocation::Kind::kAnyFrames:
      return true;
  }
  return false;
}

// A prefix of the stack is enough. Only the latest "..." is ever made longer, so this is no search in depth.
bool matches_stack(const std::vector<SuppressionLocation>& locations, const std::vector<SuppressionFrame>& stack) {
  constexpr size_t kNone = ~size_t{0};
  size_t at = 0, in = 0, dots = kNone, retry = 0;
  while (at < locations.size()) {
    if (locations[at].kind == SuppressionLocation::Kind::kAnyFrames) {
      dots = at++;
      retry = in;
    } else if (in < stack.size() && matches_frame(locations[at], stack[in])) {
      ++at;
      ++in;
    } else if (dots != kNone && retry < stack.size()) {
      at = dots + 1;
      in = ++retry;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

void SuppressionSet::add_text(const std::string& file, std::string_view text, unsigned max_callers) {
  Lines lines(file, text);
  std::vector<Suppression> added;
  while (const auto line = lines.next()) {
    if (*line != "{") lines.fail("an entry starts with '{', not '" + std::string(*line) + "'");
    if (auto entry = parse_entry(lines, max_callers)) {
      entry->file = file;
      added.push_back(std::move(*entry));
    }
  }
  std::move(added.begin(), added.end(), std::back_inserter(entries_));
}

void SuppressionSet::add_file(const std::string& path, unsigned max_callers) {
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  std::string text(kMaxFileSize + 1, '\0');
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || (!stream && stream.gcount() == 0 && !stream.eof())) {
    throw SuppressionError(path + ": " + (errno != 0 ? std::strerror(errno) : "cannot be read"));
  }
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > kMaxFileSize) throw SuppressionError(path + ": larger than 16 MiB");
  add_text(path, text, max_callers);
}

Suppression* SuppressionSet::match_leak(LeakKind kind, const std::vector<SuppressionFrame>& stack) {
  for (Suppression& entry : entries_) {
    if (entry.kind == SuppressionKind::kLeak && contains(entry.leak_kinds, kind) &&
        matches_stack(entry.locations, stack)) {
      return &entry;
    }
  }
  return nullptr;
}

std::vector<std::string> SuppressionSet::used_lines() const {
  std::vector<const Suppression*> used;
  for (const Suppression& entry : entries_) {
    if (entry.used > 0) used.push_back(&entry);
  }
  std::stable_sort(used.begin(), used.end(), [](const auto* a, const auto* b) { return a->used < b->used; });
  std::vector<std::string> lines;
  for (const Suppression* entry : used) {
    char count[32];
    std::snprintf(count, sizeof count, "%6llu ", static_cast<unsigned long long>(entry->used));
    std::string line =
        "used_suppression: " + std::string(count) + entry->name + " " + entry->file + ":" + std::to_string(entry->line);
    if (entry->kind == SuppressionKind::kLeak) {
      line +=
          " suppressed: " + with_commas(entry->used_bytes) + " bytes in " + with_commas(entry->used_blocks) + " blocks";
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string generated_leak_suppression(LeakKind kind, const std::vector<SuppressionFrame>& stack) {
  std::string text = "{\n   <insert_a_suppression_name_here>\n   Memcheck:Leak\n   match-leak-kinds: ";
  text += leak_kind_name(kind);
  size_t count = 0;
  for (const SuppressionFrame& frame : stack) {
    if (count++ == kMaxLocations) break;
    if (!frame.function.empty()) {
      text += "\n   fun:" + frame.function;
    } else {
      text += "\n   obj:" + (frame.object.empty() ? "*" : frame.object);
    }
  }
  return text + "\n}";
}

}  // namespace vsup::supervisor
