#include "supervisor/reports/leak_kind.h"

#include <algorithm>

namespace vsup::supervisor {

const char* leak_kind_name(LeakKind kind) {
  switch (kind) {
    case LeakKind::kReachable:
      return "reachable";
    case LeakKind::kPossible:
      return "possible";
    case LeakKind::kIndirect:
      return "indirect";
    case LeakKind::kDefinite:
      return "definite";
  }
  return "";
}

std::optional<LeakKinds> parse_leak_kinds(std::string_view text) {
  if (text == "all") return kAllLeakKinds;
  if (text == "none") return LeakKinds{0};
  LeakKinds kinds = 0;
  while (true) {
    const size_t comma = std::min(text.find(','), text.size());
    bool known = false;
    for (unsigned i = 0; i < kLeakKindCount; ++i) {
      if (text.substr(0, comma) != leak_kind_name(static_cast<LeakKind>(i))) continue;
      kinds |= 1u << i;
      known = true;
    }
    if (!known) return std::nullopt;
    if (comma == text.size()) return kinds;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace vsup::supervisor
