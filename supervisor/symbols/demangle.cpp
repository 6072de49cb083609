#include "supervisor/symbols/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <string_view>

#include "supervisor/symbols/rust_demangle.h"

namespace vsup::supervisor {
namespace {

constexpr size_t kMaxMangledSize = 16 << 10;  // the demangler recurses and can square the size

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Rust's legacy mangling ends in "::h" and 16 hexadecimal digits.
bool has_rust_hash(std::string_view name) {
  if (name.size() < 20 || name.substr(name.size() - 19, 3) != "::h") return false;
  for (char c : name.substr(name.size() - 16)) {
    if (!is_lower_hex(c)) return false;
  }
  return true;
}

// Undoes the escapes of rustc's legacy mangling (rustc_symbol_mangling/src/legacy.rs): $LT$ and the like, $u20$, "..".
std::string rust_legacy_name(std::string_view name) {
  struct Escape {
    std::string_view from, to;
  };
  static constexpr Escape kEscapes[] = {{"$SP$", "@"}, {"$BP$", "*"}, {"$RF$", "&"}, {"$LT$", "<"},
                                        {"$GT$", ">"}, {"$LP$", "("}, {"$RP$", ")"}, {"$C$", ","}};
  std::string result;
  for (size_t i = 0; i < name.size();) {
    std::string_view rest = name.substr(i);
    if (rest.starts_with("..")) {
      result += "::";
      i += 2;
      continue;
    }
    if (rest.starts_with("_$") && (i == 0 || name[i - 1] == ':')) {
      i++;
      continue;
    }
    bool found = false;
    if (rest[0] == '$') {
      for (const auto& escape : kEscapes) {
        if (!rest.starts_with(escape.from)) continue;
        result += escape.to;
        i += escape.from.size();
        found = true;
        break;
      }
      size_t end = rest.find('$', 1);
      if (!found && rest.size() > 2 && rest[1] == 'u' && end != std::string_view::npos && end > 2 && end <= 8) {
        char* stop = nullptr;
        std::string digits(rest.substr(2, end - 2));
        unsigned long code = std::strtoul(digits.c_str(), &stop, 16);
        if (*stop == 0 && code >= 0x20 && code < 0x7f) {
          result += static_cast<char>(code);
          i += end + 1;
          found = true;
        }
      }
    }
    if (!found) result += name[i++];
  }
  return result;
}

}  // namespace

std::string demangle(const std::string& linkage_name) {
  std::string_view name = linkage_name;
  // "_ZL3foov.cold", "_Z1fv@@VERS_1": the demangler knows the first form, not the second.
  std::string_view base = name.substr(0, name.find('@'));
  if (base.starts_with("_R")) return demangle_rust_v0(base).value_or(linkage_name);
  if (!base.starts_with("_Z") || base.size() > kMaxMangledSize) return linkage_name;
  int status = -1;
  char* text = abi::__cxa_demangle(std::string(base).c_str(), nullptr, nullptr, &status);
  if (!text) return linkage_name;
  std::string result = status == 0 ? std::string(text) : linkage_name;
  std::free(text);
  if (status == 0 && has_rust_hash(result)) {
    return rust_legacy_name(std::string_view(result).substr(0, result.size() - 19));
  }
  return result;
}

}  // namespace vsup::supervisor
