#include "ctl/json_text.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace vsup::ctl {

namespace {

constexpr size_t kLongestCommand = 200;

}  // namespace

std::string printable(const std::string& text) {
  std::string result;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return result;
}

std::string text_of(const Json& json, const char* name) {
  if (!json.is_object()) return "";
  auto found = json.find(name);
  return found != json.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

uint64_t number_of(const Json& json, const char* name) {
  if (!json.is_object()) return 0;
  auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<uint64_t>() : 0;
}

double real_of(const Json& json, const char* name) {
  if (!json.is_object()) return 0;
  auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

const Json& list_of(const Json& json, const char* name) {
  static const Json kNone = Json::array();
  if (!json.is_object()) return kNone;
  auto found = json.find(name);
  return found != json.end() && found->is_array() ? *found : kNone;
}

std::string words_of(const Json& list) {
  std::string text;
  for (const Json& word : list) {
    if (!word.is_string()) continue;
    if (!text.empty()) text += ' ';
    text += printable(word.get<std::string>());
    if (text.size() > kLongestCommand) {
      size_t cut = kLongestCommand;
      while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
      return text.substr(0, cut) + "...";
    }
  }
  return text;
}

std::string name_of(const Json& process) {
  std::string path = text_of(process, "executable");
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string format(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

std::string plural(uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string duration(double seconds) {
  if (seconds < 60) return format("%.1f s", seconds);
  auto whole = static_cast<unsigned long long>(seconds);
  char text[64];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%llu min %02llu s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
  }
  return text;
}

std::string grouped(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string pad_left(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

std::string pad_right(const std::string& text, size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

}  // namespace vsup::ctl
