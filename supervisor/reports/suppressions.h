// Purpose: suppression files in Valgrind's syntax: which errors are known and not to be shown.
// Assumes: nothing about the text. Promises: a file is taken whole or refused with one line, "file:line: what";
// matching takes time proportional to pattern times stack, whatever the patterns.
//
//   {
//      name
//      Tool1,Tool2:Kind
//      <one line more for Param and FishyValue; match-leak-kinds: may follow Leak>
//      fun:pattern | obj:pattern | src:file[:line] | ...      up to 24, innermost first
//   }
//
// '*' and '?' in patterns are wildcards, "..." stands for any number of frames, '#' starts a line of comment. C++ names
// are the mangled ones. (Valgrind 3.19, coregrind/m_errormgr.c and the manual, "Suppressing errors".)
#pragma once

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/reports/leak_kind.h"

namespace vsup::supervisor {

// As the file names it; of other tools' entries nothing is kept.
enum class SuppressionKind {
#define VSUP_SUPPRESSION_KIND(name, spelling) k##name,
#include "supervisor/reports/suppression_kinds.def"
#undef VSUP_SUPPRESSION_KIND
};

struct SuppressionLocation {
  enum class Kind { kFunction, kObject, kSource, kAnyFrames };
  Kind kind = Kind::kFunction;
  std::string pattern;  // empty: kAnyFrames
};

struct Suppression {
  std::string name;
  SuppressionKind kind = SuppressionKind::kLeak;
  std::string extra;                     // of kParam and kFishyValue
  LeakKinds leak_kinds = kAllLeakKinds;  // of kLeak
  std::vector<SuppressionLocation> locations;
  std::string file;
  unsigned line = 0;  // of its name
  uint64_t used = 0;  // errors suppressed
  uint64_t used_blocks = 0, used_bytes = 0;
};

// A frame of an error, as suppressions see it.
struct SuppressionFrame {
  std::string function;  // linkage name, empty: unknown
  std::string object;    // path of the module, empty: none
  std::string source;    // last part of the source file's name, empty: unknown
  unsigned line = 0;
};

class SuppressionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class SuppressionSet {
 public:
  // Adds the entries for Memcheck of the file named `file`. Locations after the `max_callers`-th are left out, as
  // stacks are not deeper. Throws SuppressionError, and then has added nothing.
  void add_text(const std::string& file, std::string_view text, unsigned max_callers);

  // Reads the file first; at most 16 MiB.
  void add_file(const std::string& path, unsigned max_callers);

  // The first entry, in the order they were added, that covers the leak; null: none. Does not count.
  Suppression* match_leak(LeakKind kind, const std::vector<SuppressionFrame>& stack);

  const std::deque<Suppression>& entries() const { return entries_; }

  // "used_suppression:" lines as with -v, most used last.
  std::vector<std::string> used_lines() const;

 private:
  std::deque<Suppression> entries_;  // addresses last
};

// A suppression for a leak with this stack, as --gen-suppressions prints it: lines without newline at the end.
std::string generated_leak_suppression(LeakKind kind, const std::vector<SuppressionFrame>& stack);

}  // namespace vsup::supervisor
