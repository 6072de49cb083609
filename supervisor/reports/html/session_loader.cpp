#include "supervisor/reports/html/session_loader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "supervisor/reports/callgrind/callgrind_reader.h"

namespace vsup::supervisor::html {
namespace {

using nlohmann::json;

constexpr const char* kCollapsed = ".collapsed";

std::optional<std::string> read_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  struct stat status;
  std::string text;
  bool good =
      ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && static_cast<size_t>(status.st_size) <= kMaxFileBytes;
  if (good) {
    text.resize(static_cast<size_t>(status.st_size));
    size_t at = 0;
    while (at < text.size()) {
      ssize_t got = ::read(fd, text.data() + at, text.size() - at);
      if (got <= 0) break;
      at += static_cast<size_t>(got);
    }
    text.resize(at);
  }
  ::close(fd);
  if (!good) return std::nullopt;
  return text;
}

std::string string_of(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

template <typename Number>
Number number_of(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<Number>() : Number{};
}

std::vector<std::string> strings_of(const json& object, const char* key) {
  std::vector<std::string> result;
  auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return result;
  for (const json& member : *found) {
    if (member.is_string()) result.push_back(member.get<std::string>());
  }
  return result;
}

std::string state_of(const json& object) {
  auto signal = object.find("signal");
  if (signal != object.end() && signal->is_object()) return "killed by " + string_of(*signal, "name");
  auto status = object.find("exit_status");
  if (status != object.end() && status->is_number_integer()) {
    return "exited with status " + std::to_string(status->get<int64_t>());
  }
  return string_of(object, "state");
}

// A directory of session.json is a name, never a path.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string::npos;
}

// What people call an event; others keep their name.
std::string title_of_event(const std::string& event) {
  if (event == "Ir") return "Instructions";
  if (event == "Dr") return "Data reads";
  if (event == "Dw") return "Data writes";
  return event;
}

// What the stacks of a file count, by its name: "heap.peak.123.collapsed".
std::pair<std::string, std::string> title_and_unit(const std::string& name) {
  if (name.starts_with("heap.live.")) return {"Live bytes", "bytes"};
  if (name.starts_with("heap.peak.")) return {"Peak bytes", "bytes"};
  if (name.starts_with("heap.total.")) return {"Total bytes", "bytes"};
  return {name.substr(0, name.size() - std::strlen(kCollapsed)), ""};
}

void add_profile(const callgrind::Grouped& profile, callgrind::NamedStacks stacks, ReportProcess& process) {
  for (size_t i = 0; i < profile.events.size(); i++) {
    const std::string& event = profile.events[i];
    ReportView view{title_of_event(event), event, 0, {}, {}};
    for (const auto& part : profile.parts) view.total += i < part.totals.size() ? part.totals[i] : 0;
    process.totals.emplace_back(event, view.total);
    // Stacks count the first event.
    if (i == 0) std::swap(view.stacks, stacks);
    view.functions = function_costs(profile, view.stacks, i);
    if (!view.functions.empty()) process.views.push_back(std::move(view));
  }
}

void add_stacks(const std::string& title, const std::string& unit, callgrind::NamedStacks stacks,
                ReportProcess& process) {
  ReportView view{title, unit, total_cost(stacks), function_costs(stacks), std::move(stacks)};
  if (!view.functions.empty()) process.views.push_back(std::move(view));
}

// Of several files the longest, later ones first: the others are single snapshots.
void add_massif(MassifFile file, ReportProcess& process) {
  if (process.memory && file.snapshots.size() < process.memory->snapshots.size()) return;
  process.memory = std::move(file);
}

// Options can give files any name: what a file is, its first lines tell.
bool is_massif(std::string_view text) {
  size_t command = text.find("\ncmd:");
  return text.starts_with("desc:") && command != std::string_view::npos &&
         text.substr(command + 1).find("\ntime_unit:") < 4096;
}

bool is_profile(std::string_view text) {
  std::string_view head = text.substr(0, 2048);
  return head.starts_with("# callgrind format") || head.find("\nevents:") != std::string_view::npos ||
         head.starts_with("events:");
}

void load_files(const std::string& directory, const std::vector<std::string>& names, ReportProcess& process) {
  // Parts and threads of one process may be in files of their own: read as one text, each begins a part.
  std::string profile_text, stacks_text;
  for (const std::string& name : names) {
    if (name.ends_with(".json") || name == "log.txt" || name.starts_with("dhat.out")) continue;
    auto text = read_file(directory + "/" + name);
    if (!text) continue;
    if (name.ends_with(kCollapsed)) {
      auto [title, unit] = title_and_unit(name);
      bool of_profile = unit.empty() && std::find(names.begin(), names.end(), title) != names.end();
      if (of_profile) {
        stacks_text.append(*text).append("\n");
      } else {
        add_stacks(title, unit, callgrind::read_collapsed(*text), process);
      }
    } else if (is_massif(*text)) {
      if (auto file = read_massif(*text)) add_massif(std::move(*file), process);
    } else if (is_profile(*text)) {
      profile_text.append(*text).append("\n");
    }
  }
  if (auto profile = callgrind::read_callgrind(profile_text)) {
    add_profile(*profile, callgrind::read_collapsed(stacks_text), process);
  }
}

void load_process_files(const std::string& directory, ReportProcess& process) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  load_files(directory, names, process);
  if (auto text = read_file(directory + "/log.txt")) process.leaks = read_leak_log(*text);
}

}  // namespace

std::optional<ReportSession> load_session(const std::string& directory, std::string* error) {
  auto text = read_file(directory + "/session.json");
  if (!text) {
    if (error) *error = directory + " holds no session.json";
    return std::nullopt;
  }
  json data = json::parse(*text, nullptr, false);
  if (!data.is_object()) {
    if (error) *error = directory + "/session.json is damaged";
    return std::nullopt;
  }
  ReportSession session;
  session.command = strings_of(data, "command");
  session.tool = string_of(data, "tool");
  session.version = string_of(data, "vsup");
  session.directory = directory;
  session.started = string_of(data, "started");
  session.state = state_of(data);
  session.seconds = number_of<double>(data, "seconds");
  auto processes = data.find("processes");
  if (processes == data.end() || !processes->is_array()) return session;
  for (const json& row : *processes) {
    if (!row.is_object()) continue;
    ReportProcess process;
    process.pid = number_of<pid_t>(row, "pid");
    process.parent = number_of<pid_t>(row, "parent");
    process.image = number_of<unsigned>(row, "image");
    process.executable = string_of(row, "executable");
    process.arguments = strings_of(row, "arguments");
    process.state = state_of(row);
    std::string name = string_of(row, "directory");
    if (is_plain_name(name)) {
      process.directory = name;
      std::string folder = directory + "/" + name;
      if (auto record = read_file(folder + "/process.json")) {
        json details = json::parse(*record, nullptr, false);
        if (details.is_object()) process.seconds = number_of<double>(details, "seconds");
      }
      load_process_files(folder, process);
    }
    session.processes.push_back(std::move(process));
  }
  return session;
}

}  // namespace vsup::supervisor::html
