// Purpose: vctl, the control client: lists sessions, asks one, shows the answer.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/show.h"
#include "ctl/show_tool.h"
#include "protocol/control.h"

namespace vsup::ctl {
namespace {

using Json = nlohmann::ordered_json;

bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

std::string as_json(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

double now_seconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Json targets_of(const Arguments& arguments) {
  Json targets = Json::array();
  for (const std::string& word : arguments.targets) {
    bool number = !word.empty() && word.size() < 10 && word.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      targets.push_back(std::stol(word));
    } else {
      targets.push_back(word);
    }
  }
  return targets;
}

std::unique_ptr<Connection> session_for(const Arguments& arguments) {
  return choose_session(arguments.session, protocol::control_directory(), targets_of(arguments));
}

void check_events(const Json& result, const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const Json& process : result.value("processes", Json::array()))
    for (const Json& event : process.value("result", Json::object()).value("events", Json::array()))
      if (event.is_string()) known.push_back(event.get<std::string>());
  for (const std::string& name : wanted) {
    if (known.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (auto event = known.begin(); event != known.end(); ++event)
      if (std::find(known.begin(), event, *event) == event) names += " " + *event;
    throw ClientError("no event '" + name + "' is counted; there are:" + names);
  }
}

// Every session is shown, whatever is wrong with others.
int list_sessions(const Arguments& arguments) {
  std::vector<std::string> problems;
  std::vector<std::unique_ptr<Connection>> sessions;
  if (arguments.session.empty()) {
    sessions = find_sessions(problems);
  } else {
    sessions.push_back(choose_session(arguments.session));
  }
  Json all = Json::array();
  std::string text;
  for (auto& session : sessions) {
    try {
      all.push_back(session->ask({{"request", protocol::kRequestList}}));
      text += show_list(all.back(), now_seconds());
    } catch (const ClientError& error) {
      problems.emplace_back(error.what());
    }
  }
  for (const std::string& problem : problems) std::fprintf(stderr, "vctl: %s\n", problem.c_str());
  if (arguments.json) {
    if (!print(as_json(all))) return 1;
  } else if (all.empty() && problems.empty()) {
    throw ClientError("there is no running vsup session");
  } else if (!print(text)) {
    return 1;
  }
  return problems.empty() ? 0 : 1;
}

// What the tool adds to the core's answer; an empty object where it serves no such thing.
Json ask_tool(Connection& session, Json request) {
  try {
    return session.ask(std::move(request), 600);
  } catch (const ClientError&) {
    return Json::object();
  }
}

// The costliest functions, again and again on a terminal.
int show_top(const Arguments& arguments) {
  const bool once = arguments.once || arguments.json || isatty(STDOUT_FILENO) == 0;
  const std::unique_ptr<Connection> session = session_for(arguments);
  for (;;) {
    winsize size{};
    if (once || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
    const size_t rows = size.ws_row > 8 ? size.ws_row - 4u : 20u;
    const Json result =
        session->ask({{"request", protocol::kRequestCosts}, {"limit", rows}, {"targets", targets_of(arguments)}}, 600);
    const std::string text = arguments.json ? as_json(result) : show_costs(result, rows, size.ws_col);
    if (!print(once ? text : "\x1b[H\x1b[2J" + text)) return 1;
    if (once) return 0;
    sleep(1);
  }
}

int ask_session(const Arguments& arguments) {
  Json request;
  switch (arguments.action) {
    case Action::kDump:
      request["request"] = protocol::kRequestDump;
      if (!arguments.hint.empty()) request["hint"] = arguments.hint;
      break;
    case Action::kZero:
      request["request"] = protocol::kRequestZero;
      break;
    case Action::kEvents:
      request["request"] = protocol::kRequestEvents;
      break;
    case Action::kStatus:
      request["request"] = protocol::kRequestStatus;
      break;
    case Action::kToggle:
      request["request"] = protocol::kRequestToggle;
      request["on"] = arguments.on;
      break;
    case Action::kStacks:
      request["request"] = protocol::kRequestStacks;
      break;
    case Action::kKill:
      request["request"] = protocol::kRequestKill;
      break;
    default:
      request["request"] = protocol::kRequestDetach;
  }
  request["targets"] = targets_of(arguments);
  // The names for a first stack may come from large files or the network.
  const bool takes_names = arguments.action == Action::kStacks || arguments.action == Action::kDump;
  const std::unique_ptr<Connection> session = session_for(arguments);
  Json result = session->ask(std::move(request), takes_names ? 600 : 30);
  if (arguments.action == Action::kEvents) check_events(result, arguments.events);
  Json more = Json::object();
  if (arguments.action == Action::kStatus || arguments.action == Action::kStacks) {
    const bool status = arguments.action == Action::kStatus;
    more = ask_tool(*session, {{"request", status ? protocol::kRequestToolStatus : protocol::kRequestCallStacks},
                               {"targets", targets_of(arguments)}});
    if (arguments.json && !more.empty()) result["tool"] = more["processes"];
  }
  if (arguments.json) return print(as_json(result)) ? 0 : 1;
  std::string text;
  switch (arguments.action) {
    case Action::kStatus:
      text = show_status(result) + show_tool_status(more);
      break;
    case Action::kToggle:
      text = show_toggle(result, arguments.on);
      break;
    case Action::kStacks:
      text = show_stacks(result) + show_call_stacks(more);
      break;
    case Action::kDump:
      text = show_dump(result);
      break;
    case Action::kZero:
      text = show_zero(result);
      break;
    case Action::kEvents:
      text = show_events(result, arguments.events);
      break;
    case Action::kKill:
      text = show_count(result, "killed");
      break;
    default:
      text = show_count(result, "detached");
  }
  return print(text) ? 0 : 1;
}

int ask_leaks(const Arguments& arguments) {
  Json request = {{"request", protocol::kRequestLeaks}, {"targets", targets_of(arguments)}};
  if (!arguments.leaks.delta.empty()) request["delta"] = arguments.leaks.delta;
  if (!arguments.leaks.kinds.empty()) request["kinds"] = arguments.leaks.kinds;
  if (arguments.leaks.summary) request["detail"] = "summary";
  // A large heap takes its time, and so do the names for a first stack.
  const Json result = session_for(arguments)->ask(std::move(request), 600);
  if (!print(arguments.json ? as_json(result) : show_leaks(result))) return 1;
  return tool_succeeded(result) ? 0 : 1;
}

int take_snapshot(const Arguments& arguments) {
  const Json request = {
      {"request", protocol::kRequestSnapshot}, {"targets", targets_of(arguments)}, {"detailed", arguments.detailed}};
  // The names for a first stack may come from large files or the network.
  const Json result = session_for(arguments)->ask(request, 600);
  if (!print(arguments.json ? as_json(result) : show_snapshot(result))) return 1;
  return tool_succeeded(result) ? 0 : 1;
}

int report(const Arguments& arguments) {
  const std::string& name = arguments.targets.empty() ? arguments.session : arguments.targets.front();
  std::string path = make_report(session_to_report(name));
  return print(arguments.json ? as_json({{"report", path}}) : path + "\n") ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
  Arguments arguments = parse_arguments(words);
  switch (arguments.action) {
    case Action::kHelp:
      return print(help_text()) ? 0 : 1;
    case Action::kVersion:
      return print("vctl " VSUP_VERSION "\n") ? 0 : 1;
    case Action::kListOptions:
      return print(list_options_text()) ? 0 : 1;
    case Action::kTop:
      return show_top(arguments);
    case Action::kList:
      return list_sessions(arguments);
    case Action::kReport:
      return report(arguments);
    case Action::kLeaks:
      return ask_leaks(arguments);
    case Action::kSnapshot:
      return take_snapshot(arguments);
    default:
      return ask_session(arguments);
  }
}

}  // namespace
}  // namespace vsup::ctl

int main(int argc, char** argv) {
  try {
    return vsup::ctl::run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vctl: %s\n", error.what());
    return 1;
  }
}
