// Purpose: the four kinds of blocks that are still there, sets of them, and their names in options and files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vsup::supervisor {

// In the order in which loss records of the same size are shown.
enum class LeakKind : uint8_t { kReachable, kPossible, kIndirect, kDefinite };
inline constexpr unsigned kLeakKindCount = 4;

using LeakKinds = unsigned;  // bit i: LeakKind i
inline constexpr LeakKinds kAllLeakKinds = (1u << kLeakKindCount) - 1;
constexpr LeakKinds leak_kinds_of(LeakKind kind) {
  return 1u << static_cast<unsigned>(kind);
}
constexpr bool contains(LeakKinds kinds, LeakKind kind) {
  return (kinds & leak_kinds_of(kind)) != 0;
}

// "definite", "possible", ... as in --show-leak-kinds=.
const char* leak_kind_name(LeakKind kind);

// "definite,possible", "all" or "none"; nullopt if a word is none of these.
std::optional<LeakKinds> parse_leak_kinds(std::string_view text);

}  // namespace vsup::supervisor
