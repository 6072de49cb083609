#include "supervisor/options.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <cstdlib>

#include "supervisor/reports/tool_registry.h"
#include "supervisor/session/log_name.h"

namespace vsup::supervisor {
namespace {

namespace po = boost::program_options;

enum class OptionGroup { kBasic, kProcesses, kResults, kStress, kDebugging };

enum class OptionId {
#define VSUP_OPTION(id, name, short_name, kind, argument, default_text, group, help) k##id,
#include "supervisor/options.def"
#undef VSUP_OPTION
};

struct OptionRow : OptionShape {
  OptionId id;
  char short_name;
  const char* default_text;
  OptionGroup group;
  const char* help;
};

constexpr OptionRow kOptions[] = {
#define VSUP_OPTION(id, name, short_name, kind, argument, default_text, group, help) \
  {{name, OptionKind::kind, argument}, OptionId::k##id, short_name, default_text, OptionGroup::group, help},
#include "supervisor/options.def"
#undef VSUP_OPTION
};

struct GroupRow {
  OptionGroup group;
  const char* title;
};
constexpr GroupRow kGroups[] = {
    {OptionGroup::kBasic, "Basic"},
    {OptionGroup::kProcesses, "Processes"},
    {OptionGroup::kResults, "Results"},
    {OptionGroup::kStress, "Code cache (the program must behave the same under any of these)"},
    {OptionGroup::kDebugging, "Debugging vsup itself"},
};

constexpr uint64_t kSmallestCache = uint64_t{64} << 10;
constexpr uint64_t kLargestCache = protocol::kCacheHotSize - (uint64_t{1} << 20);

std::string usage_of(const OptionShape& row) {
  std::string text = std::string("--") + row.name;
  if (row.kind != OptionKind::kFlag)
    text += std::string("=") + (row.kind == OptionKind::kYesNo ? "yes|no" : row.argument);
  return text;
}

std::string usage_of(const OptionRow& row) {
  const std::string text = usage_of(static_cast<const OptionShape&>(row));
  return row.short_name != 0 ? std::string("-") + row.short_name + " " + text : text;
}

const OptionRow* find_row(std::string_view name) {
  for (const OptionRow& row : kOptions) {
    if (name == row.name || (name.size() == 1 && name[0] == row.short_name)) return &row;
  }
  return nullptr;
}

const ToolOption* find_row(const ToolDescription& tool, std::string_view name) {
  for (const ToolOption& row : tool.options)
    if (name == row.name) return &row;
  return nullptr;
}

// The first tool's that has an option of this name: all of one name take a value, or none does.
const OptionShape* find_tool_row(std::string_view name) {
  for (const ToolDescription* tool : all_tools())
    if (const ToolOption* row = find_row(*tool, name)) return row;
  return nullptr;
}

[[noreturn]] void bad_value(const OptionShape& row, std::string_view value, const std::string& why) {
  throw OptionError("bad value '" + std::string(value) + "' for --" + row.name + ": " + why);
}

uint64_t parse_number(const OptionShape& row, std::string_view value, uint64_t low, uint64_t high) {
  uint64_t number = 0;
  if (!parse_count(value, row.kind == OptionKind::kSize, number) || number < low || number > high) {
    bad_value(row, value, "it takes a number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

bool parse_yes_no(const OptionShape& row, std::string_view value) {
  if (value == "yes") return true;
  if (value != "no") bad_value(row, value, "it takes yes or no");
  return false;
}

std::vector<std::string> parse_list(const OptionShape& row, std::string_view value) {
  std::vector<std::string> parts = split_at_commas(value);
  for (const std::string& part : parts)
    if (part.empty()) bad_value(row, value, "an empty pattern");
  return parts;
}

void append_patterns(const OptionShape& row, std::string_view value, std::vector<std::string>& patterns) {
  for (std::string& part : parse_list(row, value)) patterns.push_back(std::move(part));
}

void check_pattern(const OptionShape& row, const std::string& value) {
  std::string error;
  expand_log_name(value, 1, 0, error);
  if (!error.empty()) bad_value(row, value, error);
}

std::vector<std::string> choices_of(const OptionShape& row) {
  std::vector<std::string> words;
  for (std::string_view rest = row.argument; !rest.empty();) {
    const size_t end = std::min(rest.find('|'), rest.size());
    words.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return words;
}

void check_tool_value(const ToolOption& row, const std::string& value) {
  switch (row.kind) {
    case OptionKind::kYesNo:
      parse_yes_no(row, value);
      break;
    case OptionKind::kChoice: {
      const std::vector<std::string> words = choices_of(row);
      if (std::find(words.begin(), words.end(), value) == words.end()) {
        bad_value(row, value, std::string("it takes one of ") + row.argument);
      }
      break;
    }
    case OptionKind::kPattern:
      check_pattern(row, value);
      break;
    case OptionKind::kFile:
      if (access(value.c_str(), R_OK) != 0) bad_value(row, value, "that file cannot be read");
      break;
    case OptionKind::kList:
      parse_list(row, value);
      break;
    case OptionKind::kNumber:
    case OptionKind::kSize:
      parse_number(row, value, row.low, row.high);
      break;
    case OptionKind::kReal: {
      double number = 0;
      if (!parse_fraction(value, number) || number < static_cast<double>(row.low) ||
          number > static_cast<double>(row.high)) {
        bad_value(row, value, "it takes a number from " + std::to_string(row.low) + " to " + std::to_string(row.high));
      }
      break;
    }
    case OptionKind::kNumberedText: {
      const size_t equals = std::min(value.find('='), value.size());
      parse_number(row, value.substr(0, equals), row.low, row.high);
      if (equals + 1 >= value.size()) bad_value(row, value, "it takes a function's name");
      break;
    }
    case OptionKind::kFlag:
    case OptionKind::kText:
    case OptionKind::kPid:
      break;
  }
}

void apply(const OptionRow& row, const std::string& value, Options& options) {
  constexpr uint64_t kNoLimit = ~uint64_t{0};
  SessionOptions& session = options.session;
  switch (row.id) {
    case OptionId::kHelp:
      options.action = OptionsAction::kHelp;
      break;
    case OptionId::kVersion:
      if (options.action == OptionsAction::kRun) options.action = OptionsAction::kVersion;
      break;
    case OptionId::kListOptions:
      if (options.action == OptionsAction::kRun) options.action = OptionsAction::kListOptions;
      break;
    case OptionId::kQuiet:
      options.quiet = true;
      break;
    case OptionId::kVerbose:
      ++options.verbosity;
      break;
    case OptionId::kDebug:
      options.debug = true;
      break;
    case OptionId::kTool: {
      const ToolDescription* tool = find_tool(value);
      if (tool == nullptr) {
        std::vector<std::string> names;
        for (const ToolDescription* one : all_tools()) names.emplace_back(one->name);
        std::string nearest = nearest_name(value, names);
        if (nearest.empty()) nearest = names.front();
        throw OptionError("unknown tool '" + value + "'; the nearest is '" + nearest + "'");
      }
      options.tool = tool;
      session.tool = value;
      session.native_requests = tool->native_requests;
      session.walks_stacks = tool->walks_stacks;
      break;
    }
    case OptionId::kTraceChildren:
      session.trace_children = parse_yes_no(row, value);
      break;
    case OptionId::kWaitForDaemons:
      session.wait_for_daemons = parse_yes_no(row, value);
      break;
    case OptionId::kTraceChildrenSkip:
      append_patterns(row, value, session.skip_patterns);
      break;
    case OptionId::kTraceChildrenSkipByArg:
      append_patterns(row, value, session.skip_by_arg_patterns);
      break;
    case OptionId::kAttach: {
      auto pid = static_cast<pid_t>(parse_number(row, value, 1, 0x7fffffff));
      if (std::find(session.attach_pids.begin(), session.attach_pids.end(), pid) == session.attach_pids.end()) {
        session.attach_pids.push_back(pid);
      }
      break;
    }
    case OptionId::kInstrAtStart:
    case OptionId::kInstrAtStartToo:
      session.instrument_at_start = parse_yes_no(row, value);
      break;
    case OptionId::kLogDir:
      check_pattern(row, value);
      options.log_dir = value;
      break;
    case OptionId::kLogFile:
      check_pattern(row, value);
      options.log_file = value;
      break;
    case OptionId::kLogFd:
      options.log_fd = static_cast<int>(parse_number(row, value, 1, 0xffffff));
      if (fcntl(options.log_fd, F_GETFD) < 0) bad_value(row, value, "that file descriptor is not open");
      break;
    case OptionId::kTimeStamp:
      options.time_stamp = parse_yes_no(row, value);
      break;
    case OptionId::kStats:
      options.stats = parse_yes_no(row, value);
      break;
    case OptionId::kReport:
      if (options.action == OptionsAction::kRun) options.action = OptionsAction::kReport;
      options.report_dir = value;
      break;
    case OptionId::kMaxBlockInstructions:
      session.settings.max_block_instructions = static_cast<uint32_t>(parse_number(row, value, 1, 256));
      break;
    case OptionId::kLink:
      session.settings.link = parse_yes_no(row, value) ? 1 : 0;
      break;
    case OptionId::kCacheLimit:
      session.settings.cache_limit = static_cast<uint32_t>(parse_number(row, value, kSmallestCache, kLargestCache));
      break;
    case OptionId::kFlushEvery:
      session.settings.flush_every = static_cast<uint32_t>(parse_number(row, value, 0, 0xffffffff));
      break;
    case OptionId::kTranslateLimit:
      session.settings.translate_limit = parse_number(row, value, 0, kNoLimit);
      break;
    case OptionId::kSmcCheck:
      if (value != "all" && value != "all-non-file") bad_value(row, value, "it takes all-non-file or all");
      session.settings.check_all = value == "all" ? 1 : 0;
      break;
    case OptionId::kVerifyFragments:
      session.settings.verify = parse_yes_no(row, value) ? 1 : 0;
      break;
  }
}

[[noreturn]] void unknown_option(const std::string& given) {
  size_t begin = given.find_first_not_of('-');
  std::string word = begin == std::string::npos ? given : given.substr(begin, given.find('=') - begin);
  std::vector<std::string> names;
  for (const OptionRow& row : kOptions) names.emplace_back(row.name);
  for (const ToolDescription* tool : all_tools())
    for (const ToolOption& row : tool->options) names.emplace_back(row.name);
  std::string nearest = nearest_name(word, names);
  for (const ToolDescription* tool : all_tools())
    for (const LeftOutOption& row : tool->left_out)
      if (word == row.name) throw OptionError("there is no option '--" + word + "': " + row.reason);
  std::string message = "unknown option '" + given + "'";
  if (!nearest.empty()) {
    const OptionRow* row = find_row(nearest);
    message += "; the nearest is '" + (row != nullptr ? usage_of(*row) : usage_of(*find_tool_row(nearest))) + "'";
  }
  throw OptionError(message + "; vsup --help lists all");
}

// A tool's option as it was given; whether the tool that runs has it is known at the end.
struct ToolWord {
  std::string name, value;
};

// --NAME3=TEXT as the row of --NAMEN takes it; other words as they are.
std::string without_number(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos || equals < 3) return word;
  const size_t letters = word.find_last_not_of("0123456789", equals - 1) + 1;
  if (letters == equals || letters < 3) return word;
  const std::string name = word.substr(2, letters - 2) + "N";
  const OptionShape* row = find_tool_row(name);
  if (row == nullptr || row->kind != OptionKind::kNumberedText) return word;
  return "--" + name + "=" + word.substr(letters);
}

// One word at a time, so that a message can show the word as it was given.
void parse_word(const po::options_description& description, const std::string& word, Options& options,
                std::vector<ToolWord>& tool_words) {
  namespace style = po::command_line_style;
  constexpr int kStyle = style::allow_long | style::long_allow_adjacent | style::allow_short |
                         style::short_allow_adjacent | style::allow_dash_for_short | style::allow_sticky;
  try {
    auto parsed = po::command_line_parser(std::vector<std::string>{without_number(word)})
                      .options(description)
                      .style(kStyle)
                      .run();
    for (const auto& option : parsed.options) {
      const std::string value = option.value.empty() ? std::string() : option.value.front();
      const OptionRow* row = find_row(option.string_key);
      if (row == nullptr && find_tool_row(option.string_key) == nullptr) unknown_option(word);
      if (row == nullptr) {
        tool_words.push_back({option.string_key, value});
      } else {
        apply(*row, value, options);
      }
    }
  } catch (const po::unknown_option&) {
    unknown_option(word);
  } catch (const po::error&) {
    size_t begin = std::min(word.find_first_not_of('-'), word.size());
    const std::string name = word.substr(begin, word.find('=') - begin);
    const OptionShape* row = find_row(name);
    if (row == nullptr) row = find_tool_row(name);
    if (row == nullptr) unknown_option(word);
    if (row->kind == OptionKind::kFlag) throw OptionError(std::string("--") + row->name + " takes no value");
    throw OptionError(std::string("--") + row->name + " needs a value: " + usage_of(*row));
  }
  options.given.push_back(word);
}

void take_tool_words(const std::vector<ToolWord>& words, Options& options) {
  options.tool_values = ToolOptionValues(options.tool->options);
  for (const ToolWord& word : words) {
    const ToolOption* row = find_row(*options.tool, word.name);
    if (row == nullptr) {
      std::string owners;
      for (const ToolDescription* tool : all_tools()) {
        if (find_row(*tool, word.name) != nullptr) owners += (owners.empty() ? "" : ", ") + std::string(tool->name);
      }
      throw OptionError("--" + word.name + " is an option of --tool=" + owners + ", not of " + options.tool->name);
    }
    check_tool_value(*row, word.value);
    options.tool_values.add(*row, word.value);
  }
}

// Lines for one tool look like --callgrind:dump-instr=yes; they count when that tool runs.
bool has_tool_prefix(const std::string& word, std::string& tool, std::string& rest) {
  if (word.rfind("--", 0) != 0) return false;
  size_t colon = word.find(':');
  if (colon == std::string::npos || colon == 2 || word.find('=') < colon) return false;
  tool = word.substr(2, colon - 2);
  rest = "--" + word.substr(colon + 1);
  return true;
}

std::string home_directory() {
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return home;
  const passwd* entry = getpwuid(getuid());
  return entry != nullptr ? entry->pw_dir : "";
}

// False when there is no such file. `careful`: only a regular file of this user that nobody else may write.
bool read_option_file(const std::string& path, bool careful, std::string& text, std::vector<std::string>& warnings) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat status {};
  bool good = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (careful && good && (status.st_uid != getuid() || (status.st_mode & S_IWOTH) != 0)) {
    warnings.push_back(path + " was not read: it is writable by everybody or not owned by you");
    good = false;
  }
  constexpr size_t kLargest = size_t{1} << 20;
  char buffer[4096];
  ssize_t count = 0;
  while (good && text.size() < kLargest && (count = read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(count));
  }
  close(fd);
  return good;
}

}  // namespace

std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string> split_option_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  bool comment = false;
  for (char c : text) {
    if (comment) {
      comment = c != '\n';
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else if (c == '#' && !in_word) {
      comment = true;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (quote != 0) throw OptionError("a quotation mark is not closed");
  if (in_word) words.push_back(std::move(word));
  return words;
}

std::vector<OptionSource> find_option_sources(std::vector<std::string>& warnings) {
  std::vector<OptionSource> sources;
  std::string home = home_directory();
  std::string text;
  if (!home.empty() && read_option_file(home + "/.vsuprc", false, text, warnings)) {
    sources.push_back({"~/.vsuprc", text});
  }
  if (const char* variable = std::getenv("VSUP_OPTS")) sources.push_back({"$VSUP_OPTS", variable});
  // The home directory's file is not to be read twice.
  struct stat here {
  }, there{};
  bool at_home = !home.empty() && stat(".", &here) == 0 && stat(home.c_str(), &there) == 0 &&
                 here.st_dev == there.st_dev && here.st_ino == there.st_ino;
  text.clear();
  if (!at_home && read_option_file("./.vsuprc", true, text, warnings)) sources.push_back({"./.vsuprc", text});
  return sources;
}

Options parse_options(const std::vector<std::string>& arguments, const std::vector<OptionSource>& sources) {
  po::options_description description;
  const auto describe = [&description](const std::string& name, OptionKind kind) {
    if (kind == OptionKind::kFlag) {
      description.add_options()(name.c_str(), "");
    } else {
      description.add_options()(name.c_str(), po::value<std::string>(), "");
    }
  };
  for (const OptionRow& row : kOptions) {
    describe(row.short_name != 0 ? std::string(row.name) + "," + row.short_name : row.name, row.kind);
  }
  for (const ToolDescription* tool : all_tools()) {
    for (const ToolOption& row : tool->options) {
      if (find_tool_row(row.name) == &row) describe(row.name, row.kind);
    }
  }

  Options options;
  options.tool = all_tools().front();
  std::vector<ToolWord> tool_words;
  std::vector<std::pair<std::string, std::string>> for_tools;
  auto take = [&](const std::string& word) {
    std::string tool, rest;
    if (has_tool_prefix(word, tool, rest)) {
      for_tools.emplace_back(tool, rest);
    } else {
      parse_word(description, word, options, tool_words);
    }
  };

  for (const OptionSource& source : sources) {
    try {
      for (const std::string& word : split_option_words(source.text)) {
        if (word.size() < 2 || word[0] != '-') throw OptionError("'" + word + "' is not an option");
        take(word);
      }
    } catch (const OptionError& error) {
      throw OptionError(source.name + ": " + error.what());
    }
  }

  size_t next = 0;
  for (; next < arguments.size(); ++next) {
    std::string word = arguments[next];
    if (word == "--") {
      ++next;
      break;
    }
    if (word.size() < 2 || word[0] != '-') break;
    if (word == "--attach" && next + 1 < arguments.size()) word += "=" + arguments[++next];
    take(word);
  }
  for (const auto& [tool, word] : for_tools) {
    if (tool == options.session.tool) parse_word(description, word, options, tool_words);
  }
  if (options.action == OptionsAction::kRun) {
    take_tool_words(tool_words, options);
    protocol::AgentSettings& settings = options.session.settings;
    std::string_view(options.tool->agent_tool).copy(settings.tool_name, sizeof settings.tool_name - 1);
    if (options.tool->configure != nullptr) options.tool->configure(options.tool_values, settings);
  }
  options.session.arguments.assign(arguments.begin() + static_cast<ptrdiff_t>(next), arguments.end());

  if (options.action == OptionsAction::kRun) {
    bool attaching = !options.session.attach_pids.empty();
    if (attaching && !options.session.arguments.empty()) {
      throw OptionError("--attach and a program to start (" + options.session.arguments.front() +
                        ") exclude each other");
    }
    if (!attaching && options.session.arguments.empty()) {
      throw OptionError("no program given; usage: vsup [options] program [arguments], vsup --help explains");
    }
  }
  return options;
}

namespace {

std::string help_lines(const std::string& usage, std::string help, const char* default_text) {
  constexpr size_t kColumn = 36;
  std::string text, line = "  " + usage;
  if (line.size() + 1 > kColumn) {
    text = line + "\n";
    line.clear();
  }
  line.resize(kColumn, ' ');
  if (*default_text != '\0') help += std::string(" [") + default_text + "]";
  for (size_t at = help.find('\n'); at != std::string::npos; at = help.find('\n', at + 1)) {
    help.insert(at + 1, std::string(kColumn, ' '));
  }
  return text + line + help + "\n";
}

std::string completion_values(const OptionShape& row) {
  switch (row.kind) {
    case OptionKind::kYesNo:
      return "yes no";
    case OptionKind::kChoice: {
      std::string values = row.argument;
      std::replace(values.begin(), values.end(), '|', ' ');
      return values;
    }
    case OptionKind::kPid:
      return "@pid";
    case OptionKind::kPattern:
    case OptionKind::kFile:
      return "@file";
    default:
      return {};
  }
}

}  // namespace

std::string help_text() {
  std::string text =
      "usage: vsup [options] program [arguments]\n"
      "       vsup [options] --attach PID\n"
      "\n"
      "Runs a program and the processes it starts from a code cache, with a tool looking on. `vctl` shows and\n"
      "controls a running session: vctl -l, vctl -i on|off.\n";
  for (const GroupRow& group : kGroups) {
    text += std::string("\n") + group.title + ":\n";
    for (const OptionRow& row : kOptions) {
      if (row.group == group.group) text += help_lines(usage_of(row), row.help, row.default_text);
    }
    if (group.group == OptionGroup::kBasic) {
      for (const ToolDescription* tool : all_tools())
        text += help_lines(std::string("  ") + tool->name, tool->help, "");
    }
  }
  for (const ToolDescription* tool : all_tools()) {
    if (tool->options.empty()) continue;
    text += std::string("\n--tool=") + tool->name + ":\n";
    for (const ToolOption& row : tool->options) text += help_lines(usage_of(row), row.help, row.default_text);
  }
  text +=
      "\n"
      "Options also come from ~/.vsuprc, $VSUP_OPTS and ./.vsuprc, in this order, before the command line's; an "
      "option\n"
      "written --TOOL:NAME=VALUE counts when that tool runs. Values in brackets are the defaults. See vsup(1), "
      "vctl(1).\n";
  return text;
}

std::string list_options_text() {
  std::string text;
  const auto add = [&text](const OptionShape& row, const std::string& values) {
    text += std::string("--") + row.name + (row.kind == OptionKind::kFlag ? "" : "=") + "\t" + values + "\n";
  };
  for (const OptionRow& row : kOptions) {
    std::string values = completion_values(row);
    if (row.id == OptionId::kTool) {
      for (const ToolDescription* tool : all_tools()) values += (values.empty() ? "" : " ") + std::string(tool->name);
    }
    if (row.id == OptionId::kLogDir || row.id == OptionId::kReport) values = "@dir";
    if (row.id == OptionId::kLogFile) values = "@file";
    add(row, values);
    if (row.short_name != 0) text += std::string("-") + row.short_name + "\t\n";
  }
  for (const ToolDescription* tool : all_tools()) {
    for (const ToolOption& row : tool->options) {
      if (find_tool_row(row.name) == &row) add(row, completion_values(row));
    }
  }
  return text;
}

}  // namespace vsup::supervisor
