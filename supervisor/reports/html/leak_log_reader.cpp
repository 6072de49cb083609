#include "supervisor/reports/html/leak_log_reader.h"

#include <algorithm>
#include <optional>

namespace vsup::supervisor::html {
namespace {

constexpr size_t kMaxFrames = 500;
constexpr std::string_view kKinds[] = {"definitely lost", "indirectly lost", "possibly lost", "still reachable"};

// "==123== " and a time, if there are, away.
std::string_view without_prefix(std::string_view line) {
  if (!line.starts_with("==")) return line;
  size_t end = line.find("== ", 2);
  return end == std::string_view::npos ? std::string_view() : line.substr(end + 3);
}

// "1,234" and what follows it.
std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t value = 0;
  size_t at = 0;
  for (; at < text.size() && (text[at] == ',' || (text[at] >= '0' && text[at] <= '9')); at++) {
    if (text[at] == ',') continue;
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[at] - '0', &value)) {
      return std::nullopt;
    }
  }
  if (at == 0) return std::nullopt;
  text.remove_prefix(at);
  return value;
}

bool take(std::string_view& text, std::string_view words) {
  if (!text.starts_with(words)) return false;
  text.remove_prefix(words.size());
  return true;
}

// "24 (16 direct, 8 indirect) bytes in 2 blocks are definitely lost in loss record 3 of 9"
std::optional<LeakRecord> read_head(std::string_view line) {
  LeakRecord record;
  auto bytes = take_number(line);
  if (!bytes) return std::nullopt;
  if (line.starts_with(" (")) line.remove_prefix(std::min(line.find(')') + 1, line.size()));
  if (!take(line, " bytes in ")) return std::nullopt;
  auto blocks = take_number(line);
  if (!blocks || !(take(line, " blocks are ") || take(line, " block is "))) return std::nullopt;
  size_t end = line.find(" in loss record ");
  if (end == std::string_view::npos) return std::nullopt;
  record.kind = line.substr(0, end);
  record.bytes = *bytes;
  record.blocks = *blocks;
  return record;
}

// "   at 0x4841234: malloc (vg_replace_malloc.c:381)", "   by 0x401136: main (x.c:12)"; a frame without an address is
// one that is interpreted.
std::optional<std::string> read_frame(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!take(line, "at ") && !take(line, "by ")) return std::nullopt;
  if (line.starts_with("0x")) {
    size_t colon = line.find(": ");
    if (colon == std::string_view::npos) return std::nullopt;
    line.remove_prefix(colon + 2);
  }
  return std::string(line);
}

// "   definitely lost: 24 bytes in 2 blocks"
std::optional<LeakSum> read_sum(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view kind = line.substr(0, colon);
  if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds) && kind != "suppressed") {
    return std::nullopt;
  }
  line.remove_prefix(colon + 2);
  auto bytes = take_number(line);
  if (line.starts_with(" (")) line.remove_prefix(std::min(line.find(')') + 1, line.size()));
  if (!bytes || !take(line, " bytes in ")) return std::nullopt;
  auto blocks = take_number(line);
  if (!blocks) return std::nullopt;
  return LeakSum{std::string(kind), *bytes, *blocks};
}

}  // namespace

LeakLog read_leak_log(std::string_view text) {
  LeakLog log;
  bool in_record = false, after_sums = false;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = without_prefix(line);
    if (auto record = read_head(line)) {
      if (after_sums) log = {};  // a new search
      after_sums = false;
      log.records.push_back(std::move(*record));
      in_record = true;
    } else if (auto sum = read_sum(line)) {
      if (after_sums && sum->kind == kKinds[0]) log = {};
      log.sums.push_back(std::move(*sum));
      after_sums = true;
      in_record = false;
    } else if (in_record) {
      auto frame = read_frame(line);
      if (frame && log.records.back().frames.size() < kMaxFrames) log.records.back().frames.push_back(*frame);
      in_record = frame.has_value();
    }
  }
  return log;
}

}  // namespace vsup::supervisor::html
