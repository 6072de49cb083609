// Purpose: build large texts of numbers quickly.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace vsup::supervisor::callgrind {

class Text {
 public:
  Text& add(std::string_view text) {
    out_.append(text);
    return *this;
  }
  Text& add(char c) {
    out_.push_back(c);
    return *this;
  }
  template <typename Number>
  Text& number(Number value, int base = 10) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, value, base);
    out_.append(digits, end.ptr);
    return *this;
  }
  // A name on a line of its own: control characters would break the format.
  Text& name(std::string_view text) {
    for (char c : text) out_.push_back(static_cast<unsigned char>(c) < 0x20 ? '?' : c);
    return *this;
  }
  std::string take() { return std::move(out_); }
  size_t size() const { return out_.size(); }
  void reserve(size_t bytes) { out_.reserve(bytes); }

 private:
  std::string out_;
};

}  // namespace vsup::supervisor::callgrind
