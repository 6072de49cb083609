#include "ctl/arguments.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace vsup::ctl {
namespace {

enum class Group { kShow, kControl, kGeneral };

struct Row {
  const char* name;    // long option
  char short_name;     // or 0
  const char* values;  // of an option with a value, else nullptr; "[...]": it may be left out
  Action action;       // kNone: no action but a setting
  Group group;
  const char* help;
};

constexpr Row kRows[] = {
    {"list", 'l', nullptr, Action::kList, Group::kShow, "sessions and their processes as a tree, with state"},
    {"stat", 's', nullptr, Action::kStatus, Group::kShow, "counters, each with its meaning"},
    {"back", 'b', nullptr, Action::kStacks, Group::kShow, "stacks of all threads; callgrind: with call counts, too"},
    {"events", 'e', "[EVENT,...]", Action::kEvents, Group::kShow, "callgrind: event counters of all threads"},
    {"top", 0, nullptr, Action::kTop, Group::kShow, "callgrind: the costliest functions, refreshed; also: vctl top"},
    {"once", 0, nullptr, Action::kNone, Group::kShow, "with top: show them once"},
    {"report", 0, nullptr, Action::kReport, Group::kShow,
     "make a page of a session's results, report.html in its directory;\nalso: vctl report [DIR|PID]"},
    {"leaks", 0, nullptr, Action::kLeaks, Group::kShow, "leaks: look for lost blocks now; also: vctl leaks"},
    {"snapshot", 0, nullptr, Action::kSnapshot, Group::kShow,
     "massif: write how the heap is now, a file that ms_print reads;\nalso: vctl snapshot"},
    {"detailed", 0, nullptr, Action::kNone, Group::kShow, "with snapshot: with stacks"},
    {"new", 0, nullptr, Action::kNone, Group::kShow, "with leaks: only what the check before did not find"},
    {"increased", 0, nullptr, Action::kNone, Group::kShow, "with leaks: only what has grown since, lost or not"},
    {"changed", 0, nullptr, Action::kNone, Group::kShow, "with leaks: only what has changed since"},
    {"summary", 0, nullptr, Action::kNone, Group::kShow, "with leaks: sums alone"},
    {"show-leak-kinds", 0, "KIND,...", Action::kNone, Group::kShow,
     "with leaks: definite, indirect, possible, reachable; all or none"},
    {"instr", 'i', "on|off", Action::kToggle, Group::kControl, "switch instrumentation on or off"},
    {"dump", 'd', "[HINT]", Action::kDump, Group::kControl,
     "callgrind: write what was counted since the last dump, as a part"},
    {"zero", 'z', nullptr, Action::kZero, Group::kControl, "callgrind: set all event counters to zero"},
    {"kill", 'k', nullptr, Action::kKill, Group::kControl, "kill processes (SIGKILL)"},
    {"detach", 0, nullptr, Action::kDetach, Group::kControl,
     "let go of processes, they go on without vsup; also: vctl detach"},
    {"session", 0, "PID|DIR", Action::kNone, Group::kGeneral,
     "the session, by vsup's pid or its directory; needed when there are several"},
    {"json", 0, nullptr, Action::kNone, Group::kGeneral, "answer in JSON"},
    {"help", 'h', nullptr, Action::kHelp, Group::kGeneral, "show this message"},
    {"version", 0, nullptr, Action::kVersion, Group::kGeneral, "show the version"},
    {"list-options", 0, nullptr, Action::kListOptions, Group::kGeneral, "print the options for completion"},
};

constexpr struct {
  Group group;
  const char* title;
} kGroups[] = {{Group::kShow, "Look"}, {Group::kControl, "Act"}, {Group::kGeneral, "General"}};

const Row* find_row(const std::string& name) {
  for (const Row& row : kRows) {
    if (name == row.name || (name.size() == 1 && name[0] == row.short_name)) return &row;
  }
  return nullptr;
}

bool is_optional(const Row& row) {
  return row.values != nullptr && row.values[0] == '[';
}

std::string spelling(const Row& row) {
  std::string text;
  if (row.short_name != 0) {
    text = std::string("-") + row.short_name + (row.values != nullptr ? std::string(" ") + row.values : "") + ", ";
  }
  text += std::string("--") + row.name;
  if (is_optional(row)) {
    text += std::string("[=") + (row.values + 1);
  } else if (row.values != nullptr) {
    text += std::string("=") + row.values;
  }
  return text;
}

// As callgrind_control has it: an option's value that may be left out begins with a letter or an underscore.
bool may_be_value(const std::string& word) {
  return !word.empty() && (std::isalpha(static_cast<unsigned char>(word[0])) != 0 || word[0] == '_');
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    if (comma != begin) parts.push_back(list.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

void set_action(const Row& row, Arguments& arguments) {
  bool asks_for_help = arguments.action == Action::kHelp || arguments.action == Action::kVersion;
  if (asks_for_help) return;
  bool wins = row.action == Action::kHelp || row.action == Action::kVersion || row.action == Action::kListOptions;
  if (!wins && arguments.action != Action::kNone && arguments.action != row.action) {
    throw ArgumentError(std::string("one action at a time: --") + row.name + " and another one were given");
  }
  arguments.action = row.action;
}

void apply(const Row& row, const std::string& value, Arguments& arguments) {
  if (row.action != Action::kNone) set_action(row, arguments);
  if (row.action == Action::kToggle) {
    if (value != "on" && value != "off") throw ArgumentError("-i takes on or off, not '" + value + "'");
    arguments.on = value == "on";
  }
  if (row.action == Action::kDump) arguments.hint = value;
  if (row.action == Action::kEvents) arguments.events = split(value);
  if (std::strcmp(row.name, "once") == 0) arguments.once = true;
  if (std::strcmp(row.name, "detailed") == 0) arguments.detailed = true;
  for (const char* delta : {"new", "increased", "changed"}) {
    if (std::strcmp(row.name, delta) == 0) arguments.leaks.delta = delta;
  }
  if (std::strcmp(row.name, "summary") == 0) arguments.leaks.summary = true;
  if (std::strcmp(row.name, "show-leak-kinds") == 0) arguments.leaks.kinds = value;
  if (std::strcmp(row.name, "json") == 0) arguments.json = true;
  if (std::strcmp(row.name, "session") == 0) arguments.session = value;
}

// Words that are actions, but for report, which comes before its only target.
Action verb_of(const std::string& word) {
  if (word == "top") return Action::kTop;
  if (word == "leaks") return Action::kLeaks;
  if (word == "snapshot") return Action::kSnapshot;
  return word == "detach" ? Action::kDetach : Action::kNone;
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& words) {
  Arguments arguments;
  bool options_over = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (options_over || word.size() < 2 || word[0] != '-') {
      bool may_be_verb = !options_over && arguments.action == Action::kNone;
      if (may_be_verb && verb_of(word) != Action::kNone) {
        arguments.action = verb_of(word);
      } else if (may_be_verb && word == "report" && arguments.targets.empty()) {
        arguments.action = Action::kReport;
      } else {
        arguments.targets.push_back(word);
      }
      continue;
    }
    if (word == "--") {
      options_over = true;
      continue;
    }
    bool is_long = word[1] == '-';
    size_t equals = word.find('=');
    std::string name = is_long ? word.substr(2, equals == std::string::npos ? equals : equals - 2) : word.substr(1, 1);
    const Row* row = find_row(name);
    if (row == nullptr || (is_long && name.size() < 2)) {
      throw ArgumentError("unknown option '" + word + "'; vctl --help lists all");
    }
    std::string value;
    bool has_value = false;
    if (is_long && equals != std::string::npos) {
      value = word.substr(equals + 1);
      has_value = true;
    } else if (!is_long && word.size() > 2) {
      value = word.substr(word[2] == '=' ? 3 : 2);
      has_value = true;
    }
    if (row->values == nullptr && has_value) {
      throw ArgumentError(std::string(is_long ? "--" : "-") + name + " takes no value, but '" + word + "' was given");
    }
    if (is_optional(*row)) {
      if (!has_value && !is_long && i + 1 < words.size() && may_be_value(words[i + 1])) value = words[++i];
    } else if (row->values != nullptr && !has_value) {
      if (i + 1 >= words.size()) throw ArgumentError("'" + word + "' needs a value: " + spelling(*row));
      value = words[++i];
    }
    apply(*row, value, arguments);
  }
  if (arguments.action == Action::kNone && !arguments.targets.empty())
    throw ArgumentError("nothing to do with '" + arguments.targets.front() + "'; vctl --help lists what can be done");
  if (arguments.action == Action::kNone)
    throw ArgumentError("nothing to do; vctl -l lists sessions, vctl --help explains");
  if (arguments.action == Action::kList && !arguments.targets.empty()) {
    throw ArgumentError("-l takes no targets, but '" + arguments.targets.front() + "' was given");
  }
  if (arguments.action == Action::kReport) {
    size_t named = arguments.targets.size() + (arguments.session.empty() ? 0 : 1);
    if (named > 1)
      throw ArgumentError("report takes one session, but '" + arguments.targets.back() + "' was given, too");
  }
  return arguments;
}

std::string help_text() {
  constexpr size_t kColumn = 30;
  std::string text =
      "usage: vctl -l [options]\n"
      "       vctl -s | -b | leaks | snapshot | -i on|off | -k | detach [options] [PID|NAME ...]\n"
      "       vctl -d [HINT] | -z | -e [EVENT,...] | top [options] [PID|NAME ...]\n"
      "       vctl report [options] [DIR|PID]\n"
      "\n"
      "Shows and controls running vsup sessions. Targets are processes by id or by the name of their executable; "
      "without\n"
      "targets all processes of the session are meant.\n";
  for (const auto& group : kGroups) {
    text += std::string("\n") + group.title + ":\n";
    for (const Row& row : kRows) {
      if (row.group != group.group) continue;
      std::string line = "  " + spelling(row);
      if (line.size() + 1 > kColumn) {
        line += "\n" + std::string(kColumn, ' ');
      } else {
        line.resize(kColumn, ' ');
      }
      for (const char* c = row.help; *c != '\0'; ++c) {
        line += *c;
        if (*c == '\n') line += std::string(kColumn, ' ');
      }
      text += line + "\n";
    }
  }
  return text + "\nSee vctl(1), vsup(1).\n";
}

std::string list_options_text() {
  std::string text;
  for (const Row& row : kRows) {
    std::string values;
    if (row.action == Action::kToggle) values = "on off";
    if (std::strcmp(row.name, "session") == 0) values = "@session";
    if (std::strcmp(row.name, "show-leak-kinds") == 0) values = "definite indirect possible reachable all none";
    text += std::string("--") + row.name + (row.values != nullptr ? "=" : "") + "\t" + values + "\n";
    if (row.short_name != 0) text += std::string("-") + row.short_name + "\t" + values + "\n";
  }
  return text;
}

}  // namespace vsup::ctl
