#include "supervisor/control/commands.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "protocol/control.h"

namespace vsup::supervisor {
namespace {

using Json = nlohmann::ordered_json;
using protocol::kErrorBadJson;
using protocol::kErrorBadRequest;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* mode_name(ProcessMode mode) {
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

Json process_head(const ProcessSummary& process) {
  Json json;
  json["pid"] = process.pid;
  json["parent"] = process.parent;
  json["image"] = process.image;
  json["executable"] = process.executable;
  json["arguments"] = process.arguments;
  json["mode"] = mode_name(process.mode);
  if (!process.note.empty()) json["note"] = process.note;
  json["directory"] = process.directory;
  json["started"] = process.started_seconds;
  return json;
}

Json thread_rows(const ProcessSummary& process) {
  Json rows = Json::array();
  for (const ThreadSummary& thread : process.threads) {
    rows.push_back({{"tid", thread.tid}, {"name", thread.name}, {"instrumented", thread.instrumented}});
  }
  return rows;
}

Json stack_rows(const ProcessSummary& process, const std::vector<ThreadStack>& stacks) {
  Json threads = Json::array();
  for (const ThreadStack& stack : stacks) {
    Json frames = Json::array();
    for (const Frame& frame : stack.frames) {
      char address[24];
      std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(frame.address));
      Json row = {{"address", address}};
      if (!frame.function.empty()) {
        row["function"] = frame.function;
        row["offset"] = frame.offset;
      }
      if (!frame.module.empty()) row["module"] = frame.module;
      if (!frame.file.empty()) row["file"] = frame.file;
      if (frame.line != 0) row["line"] = frame.line;
      if (frame.inlined) row["inlined"] = true;
      frames.push_back(std::move(row));
    }
    std::string name = stack.name;
    for (const ThreadSummary& thread : process.threads) {
      if (name.empty() && thread.tid == stack.tid) name = thread.name;
    }
    threads.push_back({{"tid", stack.tid}, {"name", name}, {"frames", std::move(frames)}});
  }
  return threads;
}

std::string_view file_name(const std::string& path) {
  size_t slash = path.rfind('/');
  return std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
}

// By its executable, by what it was called as, or by the name its first thread has given itself (scripts).
bool is_named(const ProcessSummary& process, const std::string& name) {
  if (name.empty()) return false;
  if (name == file_name(process.executable)) return true;
  if (!process.arguments.empty() && name == file_name(process.arguments.front())) return true;
  return std::any_of(process.threads.begin(), process.threads.end(),
                     [&](const ThreadSummary& thread) { return thread.tid == process.pid && thread.name == name; });
}

bool alive(const ProcessSummary& process) {
  return process.mode != ProcessMode::kExited;
}

struct Refusal {
  const char* code;
  std::string message;
};

// The live processes that `targets` name, in the controller's order.
std::vector<ProcessSummary> resolve(const Controller& controller, const Json& line) {
  std::vector<ProcessSummary> all = controller.processes();
  all.erase(std::remove_if(all.begin(), all.end(), [](const ProcessSummary& p) { return !alive(p); }), all.end());
  auto targets = line.find("targets");
  if (targets == line.end()) return all;
  if (!targets->is_array() || targets->size() > protocol::kMostTargets) {
    throw Refusal{kErrorBadRequest, "targets must be a list of process ids and names"};
  }
  if (targets->empty()) return all;
  std::vector<bool> wanted(all.size());
  for (const Json& target : *targets) {
    bool found = false;
    if (target.is_number_integer()) {
      for (size_t i = 0; i < all.size(); ++i) {
        if (target == all[i].pid) wanted[i] = found = true;
      }
      if (!found) throw Refusal{protocol::kErrorNoSuchProcess, "no process " + dump(target) + " in this session"};
    } else if (target.is_string()) {
      const auto& name = target.get_ref<const std::string&>();
      for (size_t i = 0; i < all.size(); ++i) {
        if (is_named(all[i], name)) wanted[i] = found = true;
      }
      if (!found) throw Refusal{protocol::kErrorNoSuchProcess, "no process named '" + name + "' in this session"};
    } else {
      throw Refusal{kErrorBadRequest, "a target must be a process id or a name"};
    }
  }
  std::vector<ProcessSummary> chosen;
  for (size_t i = 0; i < all.size(); ++i) {
    if (wanted[i]) chosen.push_back(std::move(all[i]));
  }
  return chosen;
}

bool names_targets(const Json& line) {
  auto targets = line.find("targets");
  return targets != line.end() && targets->is_array() && !targets->empty();
}

std::vector<pid_t> pids_of(const std::vector<ProcessSummary>& processes) {
  std::vector<pid_t> pids;
  pids.reserve(processes.size());
  for (const ProcessSummary& process : processes) pids.push_back(process.pid);
  return pids;
}

}  // namespace

// Moving JSON does not throw.  NOLINTNEXTLINE(bugprone-exception-escape)
struct Conversation::Request {
  std::string id;  // as JSON
  std::string name;
  Json line;
};

// A request that the tool answers, process by process.
struct Conversation::ToolJob {
  std::string name, line;
  std::vector<ProcessSummary> processes;
  size_t next = 0;
  std::string rows;
};

std::shared_ptr<Conversation> Conversation::begin(CommandContext& context, std::function<void(std::string)> send) {
  return std::shared_ptr<Conversation>(new Conversation(context, std::move(send)));
}

Conversation::Conversation(CommandContext& context, std::function<void(std::string)> send)
    : context_(context), send_(std::move(send)) {}

void Conversation::say_hello() {
  Json hello = {{"hello", "vsup"},
                {"protocol", protocol::kControlVersion},
                {"version", VSUP_VERSION},
                {"pid", context_.vsup_pid},
                {"session", context_.session_directory}};
  send_(dump(hello) + "\n");
}

void Conversation::feed(std::string_view bytes) {
  auto self = shared_from_this();  // an answer may end the connection that owns us
  while (!bytes.empty()) {
    size_t newline = bytes.find('\n');
    std::string_view part = bytes.substr(0, newline);
    bytes.remove_prefix(std::min(part.size() + 1, bytes.size()));
    if (!skipping_ && buffer_.size() + part.size() > protocol::kLongestLine) {
      skipping_ = true;
      buffer_.clear();
      answer_error("null", protocol::kErrorLineTooLong,
                   "a line may have " + std::to_string(protocol::kLongestLine) + " bytes at most");
    }
    if (!skipping_) buffer_ += part;
    if (newline == std::string_view::npos) break;
    if (skipping_) {
      skipping_ = false;
      continue;
    }
    std::string line;
    line.swap(buffer_);
    handle_line(line);
  }
}

void Conversation::handle_line(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return;
  Request request;
  request.id = "null";
  request.line = Json::parse(line, nullptr, false);
  if (!request.line.is_object()) return answer_error(request.id, kErrorBadJson, "the line is not a JSON object");
  auto id = request.line.find("id");
  bool good_id = id != request.line.end() &&
                 (id->is_number_integer() ||
                  (id->is_string() && id->get_ref<const std::string&>().size() <= protocol::kLongestId));
  if (!good_id) {
    return answer_error(request.id, kErrorBadRequest, "a request needs an id, an integer or a short string");
  }
  request.id = dump(*id);
  auto name = request.line.find("request");
  if (name == request.line.end() || !name->is_string()) {
    return answer_error(request.id, kErrorBadRequest, "the member 'request' must be a string");
  }
  request.name = name->get<std::string>();
  if (open_.size() >= protocol::kMostPendingRequests) {
    return answer_error(request.id, protocol::kErrorTooManyRequests, "too many requests are under way");
  }
  try {
    handle(request);
  } catch (const Refusal& refusal) {
    answer_error(request.id, refusal.code, refusal.message);
  } catch (const std::exception& error) {
    answer_error(request.id, protocol::kErrorFailed, error.what());
  }
}

uint64_t Conversation::open_request(const Request& request) {
  uint64_t number = next_number_++;
  open_[number] = request.id;
  return number;
}

void Conversation::handle(Request& request) {
  const Json& line = request.line;
  std::weak_ptr<Conversation> weak = weak_from_this();
  if (request.name == protocol::kRequestList) {
    Json rows = Json::array();
    for (const ProcessSummary& process : context_.controller.processes()) {
      Json row = process_head(process);
      row["threads"] = thread_rows(process);
      rows.push_back(std::move(row));
    }
    Json result;
    result["session"] = {{"pid", context_.vsup_pid},
                         {"directory", context_.session_directory},
                         {"tool", context_.tool},
                         {"command", context_.command},
                         {"started", context_.started_seconds}};
    result["processes"] = std::move(rows);
    answer_ok(open_request(request), dump(result));
  } else if (request.name == protocol::kRequestStatus) {
    Json rows = Json::array();
    for (const ProcessSummary& process : resolve(context_.controller, line)) {
      Json row = process_head(process);
      Json counters = Json::array();
      for (const CounterValue& counter : context_.controller.counters(process.pid)) {
        counters.push_back({{"name", counter.name}, {"value", counter.value}, {"sentence", counter.sentence}});
      }
      row["counters"] = std::move(counters);
      rows.push_back(std::move(row));
    }
    answer_ok(open_request(request), dump({{"processes", std::move(rows)}}));
  } else if (request.name == protocol::kRequestToggle) {
    auto on = line.find("on");
    if (on == line.end() || !on->is_boolean()) throw Refusal{kErrorBadRequest, "the member 'on' must be true or false"};
    std::vector<pid_t> pids;
    if (names_targets(line)) {
      std::vector<ProcessSummary> processes = resolve(context_.controller, line);
      for (const ProcessSummary& process : processes) {
        if (process.mode == ProcessMode::kNotTraceable) {
          throw Refusal{protocol::kErrorNotTraceable,
                        "process " + std::to_string(process.pid) + " cannot be instrumented: " + process.note};
        }
      }
      pids = pids_of(processes);
    } else {
      resolve(context_.controller, line);  // refuses malformed targets
    }
    uint64_t number = open_request(request);
    context_.controller.toggle(*on, pids, [weak, number](ToggleResult result) {
      auto self = weak.lock();
      if (!self) return;
      self->answer_ok(
          number,
          dump({{"processes", result.processes}, {"threads", result.threads}, {"milliseconds", result.milliseconds}}));
    });
  } else if (request.name == protocol::kRequestStacks) {
    auto processes = std::make_shared<std::vector<ProcessSummary>>(resolve(context_.controller, line));
    collect_next_stacks(open_request(request), processes, 0, std::make_shared<std::string>());
  } else if (request.name == protocol::kRequestKill) {
    std::vector<pid_t> pids = pids_of(resolve(context_.controller, line));
    uint64_t number = open_request(request);
    unsigned count = pids.empty() ? 0 : context_.controller.kill(pids);
    answer_ok(number, dump({{"processes", count}}));
  } else if (request.name == protocol::kRequestDetach) {
    std::vector<pid_t> pids = pids_of(resolve(context_.controller, line));
    uint64_t number = open_request(request);
    auto done = [weak, number](unsigned count) {
      if (auto self = weak.lock()) self->answer_ok(number, dump({{"processes", count}}));
    };
    if (pids.empty()) {
      done(0);
    } else {
      context_.controller.detach(pids, done);
    }
  } else if (context_.report != nullptr && context_.report->serves(request.name)) {
    auto job = std::make_shared<ToolJob>();
    job->name = request.name;
    job->line = dump(line);
    job->processes = resolve(context_.controller, line);
    ask_tool(open_request(request), job);
  } else {
    throw Refusal{protocol::kErrorUnknownRequest,
                  "the tool " + context_.tool + " has no request '" + request.name.substr(0, 64) + "'"};
  }
}

// One process after the other: only one stands still at a time, and the rows so far are text.
void Conversation::collect_next_stacks(uint64_t number, const std::shared_ptr<std::vector<ProcessSummary>>& processes,
                                       size_t next, const std::shared_ptr<std::string>& rows) {
  auto open = open_.find(number);
  if (open == open_.end()) return;
  if (next == processes->size()) return answer_ok(number, "{\"processes\":[" + *rows + "]}");
  if (next != 0) {
    send_("{\"id\":" + open->second + ",\"progress\":{\"done\":" + std::to_string(next) +
          ",\"total\":" + std::to_string(processes->size()) + "}}\n");
  }
  std::weak_ptr<Conversation> weak = weak_from_this();
  pid_t pid = (*processes)[next].pid;
  context_.collect_stacks(pid, [weak, number, processes, next, rows](const std::vector<ThreadStack>& stacks) {
    auto self = weak.lock();
    if (!self) return;
    Json row = process_head((*processes)[next]);
    row["threads"] = stack_rows((*processes)[next], stacks);
    if (!rows->empty()) *rows += ",";
    *rows += dump(row);
    self->collect_next_stacks(number, processes, next + 1, rows);
  });
}

// One process after the other, like the stacks.
void Conversation::ask_tool(uint64_t number, const std::shared_ptr<ToolJob>& job) {
  auto open = open_.find(number);
  if (open == open_.end()) return;
  if (job->next == job->processes.size()) return answer_ok(number, "{\"processes\":[" + job->rows + "]}");
  if (job->next != 0) {
    send_("{\"id\":" + open->second + ",\"progress\":{\"done\":" + std::to_string(job->next) +
          ",\"total\":" + std::to_string(job->processes.size()) + "}}\n");
  }
  const ProcessSummary& process = job->processes[job->next++];
  std::weak_ptr<Conversation> weak = weak_from_this();
  const auto answer = [weak, number, job, pid = process.pid](const ToolAnswer& given) {
    auto self = weak.lock();
    if (!self) return;
    Json row = {{"pid", pid}};
    if (given.error.empty()) {
      row["result"] = Json::parse(given.json, nullptr, false);
    } else {
      row["error"] = given.error;
    }
    if (!job->rows.empty()) job->rows += ",";
    job->rows += dump(row);
    self->ask_tool(number, job);
  };
  if (process.mode == ProcessMode::kNotTraceable) return answer({{}, "not instrumented: " + process.note});
  context_.controller.with_process_stopped(process.pid, [weak, job, process, answer](StoppedProcess* stopped) {
    auto self = weak.lock();
    if (!self) return;
    if (stopped == nullptr) return answer({{}, "the process has gone"});
    self->context_.report->request({job->name, job->line, process}, *stopped, answer);
  });
}

void Conversation::answer_ok(uint64_t number, const std::string& result) {
  auto open = open_.find(number);
  if (open == open_.end()) return;
  std::string id = std::move(open->second);
  open_.erase(open);
  send_("{\"id\":" + id + ",\"ok\":true,\"result\":" + result + "}\n");
}

void Conversation::answer_error(const std::string& id, const char* code, const std::string& message) {
  Json error = {{"code", code}, {"message", message}};
  send_("{\"id\":" + id + ",\"ok\":false,\"error\":" + dump(error) + "}\n");
}

void Conversation::end_session() {
  auto open = std::move(open_);
  open_.clear();
  for (const auto& [number, id] : open) {
    answer_error(id, protocol::kErrorSessionEnded, "the session ended before there was an answer");
  }
}

std::string too_many_clients_line() {
  return dump({{"error",
                {{"code", protocol::kErrorTooManyClients},
                 {"message", "this session serves " + std::to_string(protocol::kMostClients) + " clients already"}}}}) +
         "\n";
}

}  // namespace vsup::supervisor
