#include "supervisor/session/tool_options.h"

#include <algorithm>
#include <charconv>

namespace vsup::supervisor {

const ToolOption& ToolOptionValues::row(std::string_view name) const {
  const auto found =
      std::find_if(rows_.begin(), rows_.end(), [name](const ToolOption& one) { return name == one.name; });
  if (found == rows_.end()) throw std::logic_error("the tool has no option " + std::string(name));
  return *found;
}

bool ToolOptionValues::given(std::string_view name) const {
  row(name);
  return given_.find(name) != given_.end();
}

std::string ToolOptionValues::text(std::string_view name) const {
  const char* fallback = row(name).default_text;
  const auto found = given_.find(name);
  return found == given_.end() ? fallback : found->second.back();
}

bool ToolOptionValues::yes(std::string_view name) const {
  return row(name).kind == OptionKind::kFlag ? given(name) : text(name) == "yes";
}

uint64_t ToolOptionValues::number(std::string_view name) const {
  uint64_t value = 0;
  parse_count(text(name), true, value);
  return value;
}

double ToolOptionValues::real(std::string_view name) const {
  double value = 0;
  parse_fraction(text(name), value);
  return value;
}

std::vector<std::string> ToolOptionValues::all(std::string_view name) const {
  const bool is_list = row(name).kind == OptionKind::kList;
  std::vector<std::string> values;
  const auto found = given_.find(name);
  if (found == given_.end()) return values;
  for (const std::string& value : found->second) {
    if (!is_list) {
      values.push_back(value);
      continue;
    }
    for (std::string& part : split_at_commas(value)) values.push_back(std::move(part));
  }
  return values;
}

bool parse_count(std::string_view text, bool with_unit, uint64_t& number) {
  unsigned shift = 0;
  if (with_unit && !text.empty()) {
    const char unit = text.back();
    if (unit == 'k' || unit == 'K') shift = 10;
    if (unit == 'm' || unit == 'M') shift = 20;
    if (shift != 0) text.remove_suffix(1);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || (value << shift) >> shift != value) return false;
  number = value << shift;
  return true;
}

bool parse_fraction(std::string_view text, double& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    parts.emplace_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

}  // namespace vsup::supervisor
