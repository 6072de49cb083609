#include "supervisor/session/process_record.h"

#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

namespace vsup::supervisor {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string hexadecimal(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

void add_wait_status(Json& json, int wait_status) {
  if (WIFEXITED(wait_status)) json["exit_status"] = WEXITSTATUS(wait_status);
  if (WIFSIGNALED(wait_status)) {
    int number = WTERMSIG(wait_status);
    json["signal"] = {{"number", number}, {"name", signal_name(number)}, {"core_dumped", WCOREDUMP(wait_status) != 0}};
  }
}

bool has_status(ImageState state) {
  return state == ImageState::kExited || state == ImageState::kKilled;
}

double rounded(double seconds) {
  return std::round(seconds * 1e6) / 1e6;
}

void add_times(Json& json, double started, double ended, bool over) {
  json["started"] = iso_time(started);
  if (!over) return;
  json["ended"] = iso_time(ended);
  json["seconds"] = rounded(ended - started);
}

}  // namespace

const char* image_state_name(ImageState state) {
  switch (state) {
    case ImageState::kRunning:
      return "running";
    case ImageState::kExited:
      return "exited";
    case ImageState::kKilled:
      return "killed";
    case ImageState::kExeced:
      return "execed";
    case ImageState::kDetached:
      return "detached";
  }
  return "unknown";
}

const char* process_mode_name(ProcessMode mode) {
  switch (mode) {
    case ProcessMode::kInstrumented:
      return "instrumented";
    case ProcessMode::kNative:
      return "native";
    case ProcessMode::kNotTraceable:
      return "not-traceable";
    case ProcessMode::kExited:
      return "exited";
  }
  return "unknown";
}

std::string iso_time(double seconds) {
  auto whole = static_cast<time_t>(std::floor(seconds));
  auto micros = static_cast<long>((seconds - static_cast<double>(whole)) * 1e6);
  struct tm fields {};
  gmtime_r(&whole, &fields);
  char text[40], all[56];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &fields);
  std::snprintf(all, sizeof all, "%s.%06ldZ", text, micros);
  return all;
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  if (name != nullptr) return std::string("SIG") + name;
  return "signal " + std::to_string(number);
}

std::string describe_wait_status(int wait_status) {
  if (WIFEXITED(wait_status)) return "exited with status " + std::to_string(WEXITSTATUS(wait_status));
  if (WIFSIGNALED(wait_status)) {
    return "killed by " + signal_name(WTERMSIG(wait_status)) + (WCOREDUMP(wait_status) ? " (core dumped)" : "");
  }
  return "ended";
}

std::string process_json(const ProcessRecord& record) {
  Json json;
  json["pid"] = record.pid;
  json["parent"] = record.parent;
  json["image"] = record.image;
  if (!record.previous.empty()) json["previous"] = record.previous;
  json["executable"] = record.executable;
  json["arguments"] = record.arguments;
  json["tool"] = record.tool;
  json["state"] = image_state_name(record.state);
  json["mode"] = process_mode_name(record.mode);
  if (!record.note.empty()) json["note"] = record.note;
  add_times(json, record.started_seconds, record.ended_seconds, record.state != ImageState::kRunning);
  if (has_status(record.state)) add_wait_status(json, record.wait_status);
  Json toggles = Json::array();
  for (const ToggleRecord& toggle : record.toggles) {
    toggles.push_back({{"time", iso_time(toggle.time_seconds)}, {"on", toggle.on}});
  }
  json["toggles"] = std::move(toggles);
  Json modules = Json::array();
  for (const ModuleRecord& module : record.modules) {
    Json row = {{"path", module.path},
                {"start", hexadecimal(module.start)},
                {"end", hexadecimal(module.end)},
                {"offset", hexadecimal(module.offset)}};
    if (!module.build_id.empty()) row["build_id"] = module.build_id;
    modules.push_back(std::move(row));
  }
  json["modules"] = std::move(modules);
  if (!record.notes.empty()) json["notes"] = record.notes;
  if (!record.crash.empty()) json["crash"] = record.crash;
  if (!record.counters.empty()) {
    Json counters = Json::object();
    for (const CounterValue& counter : record.counters) counters[counter.name] = counter.value;
    json["counters"] = std::move(counters);
  }
  return dump(json, 2) + "\n";
}

std::string session_row(const ProcessRecord& record) {
  Json json;
  json["pid"] = record.pid;
  json["parent"] = record.parent;
  json["image"] = record.image;
  json["directory"] = record.directory;
  json["executable"] = record.executable;
  json["arguments"] = record.arguments;
  json["state"] = image_state_name(record.state);
  json["mode"] = process_mode_name(record.mode);
  add_times(json, record.started_seconds, record.ended_seconds, record.state != ImageState::kRunning);
  if (has_status(record.state)) add_wait_status(json, record.wait_status);
  return dump(json, -1);
}

std::string session_json(const SessionRecord& session, const std::vector<std::string>& rows) {
  Json json;
  json["vsup"] = session.version;
  json["pid"] = session.pid;
  json["command"] = session.command;
  if (!session.attached.empty()) json["attached"] = session.attached;
  json["options"] = session.options;
  json["tool"] = session.tool;
  json["directory"] = session.directory;
  if (!session.socket.empty()) json["socket"] = session.socket;
  json["state"] = session.ended ? "ended" : "running";
  if (session.in_background) json["background"] = true;
  add_times(json, session.started_seconds, session.ended_seconds, session.ended);
  if (session.ended) add_wait_status(json, session.wait_status);
  std::string text = dump(json, 2);
  text.resize(text.size() - 2);  // "\n}"
  text += ",\n  \"processes\": [";
  const char* separator = "\n    ";
  for (const std::string& row : rows) {
    text += separator;
    text += row;
    separator = ",\n    ";
  }
  return text + "\n  ]\n}\n";
}

}  // namespace vsup::supervisor
