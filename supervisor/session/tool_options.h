// Purpose: a tool's own options: their rows, and the values that were given.
// Assumes: values were checked against their row when they were parsed (supervisor/options.cpp). Promises: asking for
// an option that the tool has no row for
// throws logic_error.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vsup::supervisor {

// One line, for the user.
class OptionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class OptionKind {
  kFlag,
  kYesNo,
  kChoice,   // one of the argument's words, which | separates
  kText,     // any text
  kPattern,  // a file name with the escapes of expand_log_name()
  kFile,     // a file to read
  kList,     // texts that commas separate, none empty; may be given more than once
  kPid,
  kNumber,  // decimal, within the row's limits
  kSize,    // likewise, k and m are units
  kReal,    // decimal fraction, within the row's limits
  // Text for a number that the name ends in, within the row's limits: the row --NAMEN is given as --NAME3=TEXT, its
  // value is 3=TEXT. May be given more than once.
  kNumberedText,
};

struct OptionShape {
  const char* name;  // without dashes
  OptionKind kind;
  const char* argument;  // how --help shows the value
};

struct ToolOption : OptionShape {
  uint64_t low, high;  // of kNumber, kSize and kReal
  const char* default_text;
  const char* help;  // where --help should break a line there is a newline
};

class ToolOptionValues {
 public:
  ToolOptionValues() = default;
  explicit ToolOptionValues(std::span<const ToolOption> rows) : rows_(rows) {}

  // Later values win; all are kept for options that add up.
  void add(const ToolOption& row, const std::string& value) { given_[row.name].push_back(value); }

  bool given(std::string_view name) const;
  bool yes(std::string_view name) const;
  uint64_t number(std::string_view name) const;  // units applied
  double real(std::string_view name) const;
  std::string text(std::string_view name) const;  // the last one, or the default
  // Every value given, of kList its parts one by one.
  std::vector<std::string> all(std::string_view name) const;

 private:
  const ToolOption& row(std::string_view name) const;

  std::span<const ToolOption> rows_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
};

// Whole text or nothing; `with_unit`: k and m may follow.
bool parse_count(std::string_view text, bool with_unit, uint64_t& number);
bool parse_fraction(std::string_view text, double& number);
std::vector<std::string> split_at_commas(std::string_view text);

}  // namespace vsup::supervisor
