// Purpose: vctl, the control client: lists sessions, asks one, shows the answer.
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/show.h"
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
    bool number = word.size() < 10 && word.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      targets.push_back(std::stol(word));
    } else {
      targets.push_back(word);
    }
  }
  return targets;
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

int ask_session(const Arguments& arguments) {
  Json request;
  switch (arguments.action) {
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
  int patience_seconds = arguments.action == Action::kStacks ? 600 : 30;
  Json result = choose_session(arguments.session)->ask(std::move(request), patience_seconds);
  if (arguments.json) return print(as_json(result)) ? 0 : 1;
  std::string text;
  switch (arguments.action) {
    case Action::kStatus:
      text = show_status(result);
      break;
    case Action::kToggle:
      text = show_toggle(result, arguments.on);
      break;
    case Action::kStacks:
      text = show_stacks(result);
      break;
    case Action::kKill:
      text = show_count(result, "killed");
      break;
    default:
      text = show_count(result, "detached");
  }
  return print(text) ? 0 : 1;
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
    case Action::kList:
      return list_sessions(arguments);
    case Action::kReport:
      return report(arguments);
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
