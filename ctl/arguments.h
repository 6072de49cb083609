// Purpose: vctl's command line.
// Assumes: nothing. Promises: pure; errors are one line.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace vsup::ctl {

enum class Action {
  kNone,
  kHelp,
  kVersion,
  kListOptions,
  kList,
  kStatus,
  kToggle,
  kStacks,
  kDump,
  kZero,
  kEvents,
  kTop,
  kReport,
  kLeaks,
  kSnapshot,
  kKill,
  kDetach
};

// What a leak check is to show; empty members: what vsup was started with.
struct LeakWish {
  std::string delta;  // of the request, see protocol/control.h
  std::string kinds;
  bool summary = false;
};

struct Arguments {
  Action action = Action::kNone;
  bool on = false;  // of kToggle
  LeakWish leaks;   // of kLeaks
  bool json = false;
  bool once = false;                 // of kTop: not refreshed
  bool detailed = false;             // of kSnapshot: with stacks
  std::string hint;                  // of kDump
  std::vector<std::string> events;   // of kEvents; empty: all
  std::string session;               // vsup's pid or a session directory; empty: the only one
  std::vector<std::string> targets;  // pids and names; empty: all. Of kReport: one session at most
};

class ArgumentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `words` without argv[0].
Arguments parse_arguments(const std::vector<std::string>& words);

std::string help_text();
// As vsup --list-options.
std::string list_options_text();

}  // namespace vsup::ctl
