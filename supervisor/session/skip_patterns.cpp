#include "supervisor/session/skip_patterns.h"

namespace vsup::supervisor {

bool matches_pattern(std::string_view pattern, std::string_view text) {
  size_t at = 0, in = 0;
  size_t star = std::string_view::npos, retry = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      retry = in;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in])) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++retry;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

std::string find_skip_pattern(const std::vector<std::string>& patterns, const std::vector<std::string>& by_argument,
                              const std::vector<std::string>& executables, const std::vector<std::string>& arguments) {
  for (const std::string& pattern : patterns)
    for (const std::string& executable : executables)
      if (matches_pattern(pattern, executable)) return pattern;
  for (const std::string& pattern : by_argument)
    for (size_t index = 1; index < arguments.size(); ++index)
      if (matches_pattern(pattern, arguments[index])) return pattern;
  return {};
}

}  // namespace vsup::supervisor
