#include "supervisor/session/client_message.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace vsup::supervisor {

namespace {

constexpr int kWidest = 1024;  // field width or precision

class ArgumentList {
 public:
  ArgumentList(const ReadTracee& read, uint64_t address) : read_(read) {
    if (!read_(address, &list_, sizeof list_)) list_ = {kGeneralEnd, kVectorEnd, 0, 0};
  }

  uint64_t next_integer() {
    if (list_.gp_offset < kGeneralEnd) return at(list_.reg_save_area + advance(list_.gp_offset, 8));
    return next_on_stack();
  }

  double next_double() {
    const bool in_register = list_.fp_offset < kVectorEnd;
    const uint64_t bits = in_register ? at(list_.reg_save_area + advance(list_.fp_offset, 16)) : next_on_stack();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  long double next_long_double() {
    list_.overflow_arg_area = (list_.overflow_arg_area + 15) & ~uint64_t{15};
    long double value = 0;
    unsigned char bytes[10];
    if (read_(list_.overflow_arg_area, bytes, sizeof bytes)) std::memcpy(&value, bytes, sizeof bytes);
    list_.overflow_arg_area += 16;
    return value;
  }

 private:
  static constexpr uint32_t kGeneralEnd = 48, kVectorEnd = 176;

  static uint32_t advance(uint32_t& offset, uint32_t by) {
    offset += by;
    return offset - by;
  }
  uint64_t next_on_stack() {
    list_.overflow_arg_area += 8;
    return at(list_.overflow_arg_area - 8);
  }
  uint64_t at(uint64_t address) const {
    uint64_t value = 0;
    return read_(address, &value, sizeof value) ? value : 0;
  }

  const ReadTracee& read_;
  struct {
    uint32_t gp_offset, fp_offset;
    uint64_t overflow_arg_area, reg_save_area;
  } list_{};
};

std::string read_text(const ReadTracee& read, uint64_t address, size_t limit) {
  std::string text;
  for (char c = 0; text.size() < limit && read(address + text.size(), &c, 1) && c != 0;) text += c;
  return text;
}

struct Conversion {
  std::string flags;
  int width = -1, precision = -1;
  std::string length;
  char kind = 0;

  // For snprintf, with this length modifier in front of the conversion.
  std::string pattern(const char* as) const {
    std::string text = "%" + flags;
    if (width >= 0) text += std::to_string(width);
    if (precision >= 0) text += "." + std::to_string(precision);
    return text + as + kind;
  }
};

class Formatter {
 public:
  Formatter(const ReadTracee& read, uint64_t format, uint64_t arguments)
      : read_(read), format_(read_text(read, format, kLongestClientMessage)), arguments_(read, arguments) {}

  std::string run() {
    while (at_ < format_.size() && text_.size() < kLongestClientMessage) {
      if (format_[at_] != '%') {
        text_ += format_[at_++];
        continue;
      }
      const size_t start = at_++;
      Conversion conversion = parse();
      if (!print(conversion)) text_ += format_.substr(start, at_ - start);
    }
    if (text_.size() > kLongestClientMessage) text_.resize(kLongestClientMessage);
    return std::move(text_);
  }

 private:
  int number() {
    if (at_ < format_.size() && format_[at_] == '*') {
      ++at_;
      return std::clamp(static_cast<int>(arguments_.next_integer()), -kWidest, kWidest);
    }
    int value = 0;
    for (; at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_)
      value = std::min(value * 10 + (format_[at_] - '0'), kWidest);
    return value;
  }

  Conversion parse() {
    Conversion result;
    const auto take_all_of = [this](const char* set, std::string& into, size_t limit) {
      while (at_ < format_.size() && into.size() < limit && std::strchr(set, format_[at_]) != nullptr)
        into += format_[at_++];
    };
    take_all_of("-+ #0", result.flags, 5);
    if (at_ < format_.size() && (format_[at_] == '*' || (format_[at_] >= '1' && format_[at_] <= '9'))) {
      result.width = number();
      if (result.width < 0) {
        result.flags += '-';
        result.width = -result.width;
      }
    }
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      result.precision = number();
    }
    take_all_of("hlqjztL", result.length, 2);
    if (at_ < format_.size()) result.kind = format_[at_++];
    return result;
  }

  template <typename T>
  void append(const std::string& pattern, T value) {
    char buffer[2 * kWidest + 512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int size = snprintf(buffer, sizeof buffer, pattern.c_str(), value);
#pragma GCC diagnostic pop
    if (size > 0) text_.append(buffer, std::min(static_cast<size_t>(size), sizeof buffer - 1));
  }

  // In the width that the length modifier says; signed or not as `kind` is.
  void print_integer(const Conversion& conversion) {
    const uint64_t value = arguments_.next_integer();
    const bool is_signed = conversion.kind == 'd' || conversion.kind == 'i';
    int64_t narrowed = static_cast<int64_t>(value);
    if (conversion.length.empty()) {
      narrowed = is_signed ? static_cast<int32_t>(value) : static_cast<int64_t>(value & 0xffff'ffff);
    } else if (conversion.length == "h") {
      narrowed = is_signed ? static_cast<int16_t>(value) : static_cast<int64_t>(value & 0xffff);
    } else if (conversion.length == "hh") {
      narrowed = is_signed ? static_cast<int8_t>(value) : static_cast<int64_t>(value & 0xff);
    }
    append(conversion.pattern("ll"), static_cast<long long>(narrowed));
  }

  void print_string(const Conversion& conversion) {
    const uint64_t address = arguments_.next_integer();
    const size_t limit = conversion.precision >= 0 ? static_cast<size_t>(conversion.precision) : kLongestClientMessage;
    std::string value = address == 0 ? "(null)" : read_text(read_, address, limit);
    const size_t width = conversion.width > 0 ? static_cast<size_t>(conversion.width) : 0;
    const std::string padding(value.size() < width ? width - value.size() : 0, ' ');
    const bool left = conversion.flags.find('-') != std::string::npos;
    text_ += left ? value + padding : padding + value;
  }

  bool print(const Conversion& conversion) {
    switch (conversion.kind) {
      case '%':
        text_ += '%';
        return true;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        print_integer(conversion);
        return true;
      case 'c':
        append(conversion.pattern(""), static_cast<int>(arguments_.next_integer()));
        return true;
      case 'p':
        append(conversion.pattern(""), reinterpret_cast<void*>(arguments_.next_integer()));
        return true;
      case 's':
        print_string(conversion);
        return true;
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
      case 'a':
      case 'A':
        if (conversion.length == "L") {
          append(conversion.pattern("L"), arguments_.next_long_double());
        } else {
          append(conversion.pattern(""), arguments_.next_double());
        }
        return true;
      default:
        return false;  // %n among them: nothing is written into the tracee
    }
  }

  const ReadTracee& read_;
  const std::string format_;
  ArgumentList arguments_;
  size_t at_ = 0;
  std::string text_;
};

}  // namespace

std::string format_client_message(const ReadTracee& read, uint64_t format, uint64_t arguments) {
  return Formatter(read, format, arguments).run();
}

}  // namespace vsup::supervisor
