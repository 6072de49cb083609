#include "supervisor/session/log_name.h"

#include <cstdlib>

namespace vsup::supervisor {

std::string expand_log_name(std::string_view pattern, pid_t pid, unsigned sequence, std::string& error) {
  std::string name;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      name += pattern[i];
      continue;
    }
    char what = ++i < pattern.size() ? pattern[i] : '\0';
    switch (what) {
      case '%':
        name += '%';
        break;
      case 'p':
        name += std::to_string(pid);
        break;
      case 'n':
        name += std::to_string(sequence);
        break;
      case 'q': {
        size_t close = pattern.find('}', i);
        if (i + 1 >= pattern.size() || pattern[i + 1] != '{' || close == std::string_view::npos || close == i + 2) {
          error = "%q must be followed by {VARIABLE}";
          return {};
        }
        std::string variable(pattern.substr(i + 2, close - i - 2));
        const char* value = std::getenv(variable.c_str());
        if (value == nullptr) {
          error = "the environment has no variable " + variable;
          return {};
        }
        name += value;
        i = close;
        break;
      }
      default:
        error = "after % only p, n, q{VARIABLE} and % have a meaning";
        return {};
    }
  }
  if (name.empty()) error = "the name is empty";
  return name;
}

std::string sanitize_file_name(std::string_view text) {
  constexpr size_t kLongest = 64;
  std::string name;
  for (char c : text.substr(0, kLongest)) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                 c == '+' || c == '-';
    name += plain ? c : '_';
  }
  if (name.empty()) name = "unknown";
  if (name.front() == '.') name.front() = '_';
  return name;
}

std::string_view base_name(std::string_view path) {
  size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace vsup::supervisor
