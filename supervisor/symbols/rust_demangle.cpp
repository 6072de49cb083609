#include "supervisor/symbols/rust_demangle.h"

#include <cstdint>
#include <vector>

namespace vsup::supervisor {
namespace {

constexpr int kMaxDepth = 200;
constexpr size_t kMaxOutput = 8192;
constexpr unsigned kMaxSteps = 20000;

const char* basic_type(char tag) {
  switch (tag) {
    case 'a':
      return "i8";
    case 'b':
      return "bool";
    case 'c':
      return "char";
    case 'd':
      return "f64";
    case 'e':
      return "str";
    case 'f':
      return "f32";
    case 'h':
      return "u8";
    case 'i':
      return "isize";
    case 'j':
      return "usize";
    case 'l':
      return "i32";
    case 'm':
      return "u32";
    case 'n':
      return "i128";
    case 'o':
      return "u128";
    case 'p':
      return "_";
    case 's':
      return "i16";
    case 't':
      return "u16";
    case 'u':
      return "()";
    case 'v':
      return "...";
    case 'x':
      return "i64";
    case 'y':
      return "u64";
    case 'z':
      return "!";
    default:
      return nullptr;
  }
}

void append_utf8(std::string& text, uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// RFC 3492 with '_' for the delimiter; the text itself when it is damaged.
std::string decode_punycode(std::string_view text) {
  std::vector<uint32_t> codes;
  size_t split = text.rfind('_');
  if (split != std::string_view::npos) {
    for (char c : text.substr(0, split)) codes.push_back(static_cast<unsigned char>(c));
    text.remove_prefix(split + 1);
  }
  uint64_t n = 0x80, i = 0, bias = 72;
  bool first = true;
  while (!text.empty() && codes.size() < 512) {
    uint64_t before = i, weight = 1;
    for (uint64_t k = 36;; k += 36) {
      if (text.empty()) return std::string(text);
      char c = text.front();
      text.remove_prefix(1);
      uint64_t digit = c >= 'a' && c <= 'z'   ? static_cast<uint64_t>(c - 'a')
                       : c >= '0' && c <= '9' ? static_cast<uint64_t>(c - '0') + 26
                                              : 99;
      if (digit > 35) return {};
      i += digit * weight;
      uint64_t threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
      if (digit < threshold) break;
      weight *= 36 - threshold;
      if (weight > (1u << 24) || i > (1u << 30)) return {};
    }
    uint64_t count = codes.size() + 1;
    uint64_t delta = (i - before) / (first ? 700 : 2);
    first = false;
    delta += delta / count;
    uint64_t k = 0;
    for (; delta > 455; k += 36) delta /= 35;
    bias = k + 36 * delta / (delta + 38);
    n += i / count;
    i %= count;
    if (n > 0x10ffff) return {};
    codes.insert(codes.begin() + static_cast<ptrdiff_t>(i), static_cast<uint32_t>(n));
    i++;
  }
  std::string result;
  for (uint32_t code : codes) append_utf8(result, code);
  return result;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<std::string> run() {
    if (peek() >= '0' && peek() <= '9') return std::nullopt;  // a later version of the mangling
    path(true);
    if (failed_) return std::nullopt;
    if (at_ < text_.size() && peek() >= 'A' && peek() <= 'Z') {
      silent_++;
      path(false);  // the instantiating crate
      silent_--;
    }
    if (failed_ || (at_ < text_.size() && peek() != '.' && peek() != '$')) return std::nullopt;
    return output_;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  char next() {
    if (at_ >= text_.size()) {
      failed_ = true;
      return 0;
    }
    return text_[at_++];
  }
  bool eat(char c) {
    if (peek() != c || failed_) return false;
    at_++;
    return true;
  }
  void print(std::string_view text) {
    if (silent_ > 0) return;
    output_ += text;
    if (output_.size() > kMaxOutput) failed_ = true;
  }

  // One level of nesting; false stops.
  struct Level {
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxDepth || ++parser_.steps_ > kMaxSteps) parser_.failed_ = true;
    }
    ~Level() { parser_.depth_--; }
    Parser& parser_;
  };

  uint64_t base62() {
    if (eat('_')) return 0;
    uint64_t value = 0;
    while (!failed_) {
      char c = next();
      if (c == '_') return value + 1;
      uint64_t digit;
      if (c >= '0' && c <= '9') {
        digit = static_cast<uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<uint64_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'Z') {
        digit = static_cast<uint64_t>(c - 'A') + 36;
      } else {
        failed_ = true;
        return 0;
      }
      value = value * 62 + digit;
    }
    return 0;
  }

  uint64_t disambiguator() { return eat('s') ? base62() + 1 : 0; }

  std::string identifier() {
    bool punycode = eat('u');
    uint64_t size = 0;
    if (peek() < '0' || peek() > '9') {
      failed_ = true;
      return {};
    }
    if (!eat('0')) {
      while (peek() >= '0' && peek() <= '9' && size < text_.size())
        size = size * 10 + static_cast<uint64_t>(next() - '0');
    }
    eat('_');
    if (size > text_.size() - at_) {
      failed_ = true;
      return {};
    }
    std::string_view name = text_.substr(at_, size);
    at_ += size;
    return punycode ? decode_punycode(name) : std::string(name);
  }

  // Follows a back reference and comes back.
  template <typename Parse>
  void back_reference(Parse parse) {
    size_t own = at_ - 1;
    uint64_t target = base62();
    if (target >= own) {
      failed_ = true;
      return;
    }
    if (silent_ > 0) return;
    size_t after = at_;
    at_ = target;
    parse();
    at_ = after;
  }

  // Prints "<" and leaves out ">" if `open` is given, for the constraints of dyn types.
  bool path(bool in_value, bool leave_open = false) {
    Level level(*this);
    if (failed_) return false;
    switch (next()) {
      case 'C':
        disambiguator();
        print(identifier());
        return false;
      case 'N': {
        char space = next();
        path(in_value);
        uint64_t number = disambiguator();
        std::string name = identifier();
        if (space >= 'A' && space <= 'Z') {
          print("::{");
          print(space == 'C' ? "closure" : space == 'S' ? "shim" : std::string_view(&space, 1));
          if (!name.empty()) print(":" + name);
          print("#" + std::to_string(number) + "}");
        } else if (!name.empty()) {
          print("::" + name);
        }
        return false;
      }
      case 'M':
      case 'X': {
        bool is_trait = text_[at_ - 1] == 'X';
        disambiguator();
        silent_++;
        path(in_value);  // the impl's own place
        silent_--;
        print("<");
        type();
        if (is_trait) {
          print(" as ");
          path(false);
        }
        print(">");
        return false;
      }
      case 'Y':
        print("<");
        type();
        print(" as ");
        path(false);
        print(">");
        return false;
      case 'I': {
        path(in_value);
        print(in_value ? "::<" : "<");
        for (bool first = true; !failed_ && !eat('E'); first = false) {
          if (!first) print(", ");
          generic_argument();
        }
        if (leave_open) return true;
        print(">");
        return false;
      }
      case 'B': {
        bool open = false;
        back_reference([&] { open = path(in_value, leave_open); });
        return open;
      }
      default:
        failed_ = true;
        return false;
    }
  }

  void generic_argument() {
    if (eat('L')) {
      base62();
      print("'_");
    } else if (eat('K')) {
      constant();
    } else {
      type();
    }
  }

  void type() {
    Level level(*this);
    if (failed_) return;
    char tag = next();
    if (const char* name = basic_type(tag)) {
      print(name);
      return;
    }
    switch (tag) {
      case 'A':
        print("[");
        type();
        print("; ");
        constant();
        print("]");
        return;
      case 'S':
        print("[");
        type();
        print("]");
        return;
      case 'T': {
        print("(");
        int count = 0;
        for (; !failed_ && !eat('E'); count++) {
          if (count > 0) print(", ");
          type();
        }
        print(count == 1 ? ",)" : ")");
        return;
      }
      case 'R':
      case 'Q':
        print("&");
        if (eat('L')) base62();
        if (tag == 'Q') print("mut ");
        type();
        return;
      case 'P':
        print("*const ");
        type();
        return;
      case 'O':
        print("*mut ");
        type();
        return;
      case 'F':
        function_type();
        return;
      case 'D':
        dyn_type();
        return;
      case 'B':
        back_reference([&] { type(); });
        return;
      default:
        at_--;
        path(false);
    }
  }

  void function_type() {
    if (eat('G')) base62();
    if (eat('U')) print("unsafe ");
    if (eat('K')) {
      print("extern \"");
      print(eat('C') ? "C" : identifier());
      print("\" ");
    }
    print("fn(");
    for (bool first = true; !failed_ && !eat('E'); first = false) {
      if (!first) print(", ");
      type();
    }
    print(")");
    if (eat('u')) return;
    print(" -> ");
    type();
  }

  void dyn_type() {
    print("dyn ");
    if (eat('G')) base62();
    for (bool first = true; !failed_ && !eat('E'); first = false) {
      if (!first) print(" + ");
      bool open = path(false, true);
      while (!failed_ && eat('p')) {
        print(open ? ", " : "<");
        open = true;
        print(identifier() + " = ");
        type();
      }
      if (open) print(">");
    }
    if (!eat('L')) failed_ = true;
    base62();
  }

  void constant() {
    Level level(*this);
    if (failed_) return;
    if (eat('B')) {
      back_reference([&] { constant(); });
      return;
    }
    if (eat('p')) {
      print("_");
      return;
    }
    char tag = next();
    bool negative = false;
    std::string digits;
    if (!basic_type(tag)) {
      failed_ = true;  // structured constants, unstable
      return;
    }
    negative = eat('n');
    while (!failed_) {
      char c = next();
      if (c == '_') break;
      digits += c;
    }
    if (failed_) return;
    uint64_t value = 0;
    if (digits.size() > 16) {
      print(negative ? "-0x" : "0x");
      print(digits);
      return;
    }
    for (char c : digits) {
      if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
        failed_ = true;
        return;
      }
      value = value * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (tag == 'b') {
      print(value ? "true" : "false");
    } else if (tag == 'c') {
      std::string text = "'";
      append_utf8(text, value < 0x20 || value > 0x10ffff ? '?' : static_cast<uint32_t>(value));
      print(text + "'");
    } else {
      print((negative ? "-" : "") + std::to_string(value));
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string output_;
  int depth_ = 0, silent_ = 0;
  unsigned steps_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<std::string> demangle_rust_v0(std::string_view name) {
  if (!name.starts_with("_R") || name.size() > 16384) return std::nullopt;
  return Parser(name.substr(2)).run();
}

}  // namespace vsup::supervisor
