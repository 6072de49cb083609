// Purpose: the supervisor's half of a tool: it makes results from the records that the agent's half leaves in the
// process's memory, and answers requests about them.
// Assumes: every call comes on the event loop's thread. Promises: the session and the control server know this
// interface and no tool.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/heap.h"
#include "supervisor/session/session_observer.h"
#include "supervisor/session/stopped_process.h"
#include "supervisor/session/tool_options.h"

namespace vsup::supervisor {

struct ToolRequest {
  std::string name;
  std::string line;  // the whole request, a JSON object
  ProcessSummary process;
};

// A JSON object, or why there is none.
struct ToolAnswer {
  std::string json;
  std::string error;
};

// What a tool may use. Outlives the ToolReport.
struct ToolContext {
  ToolOptionValues options;
  std::string session_directory;  // absolute
  int verbosity = 0;
  bool quiet = false;
  // Writes a file whole. `name` is relative to the session's directory, or absolute where an option gave it.
  std::function<void(const std::string& name, const std::string& content)> write_file;
  // The same at the end of a file that is there.
  std::function<void(const std::string& name, const std::string& content)> append_file;
  // Lines for the log of a process image, alive or gone. `process` as in image_started.
  std::function<void(const ProcessSummary& process, const std::string& text)> log;
  // The same, as they are: text to be copied.
  std::function<void(const ProcessSummary& process, const std::string& text)> log_plain;
  // Runs a job on the event loop's thread; may be called from any thread until session_finished() returns.
  std::function<void(std::function<void()>)> post;
};

class ToolReport {
 public:
  virtual ~ToolReport() = default;

  // An image begins. `process.directory` is relative to the session's directory.
  virtual void image_started(const ProcessSummary& process) = 0;

  // A file was mapped executable. May repeat.
  virtual void module_mapped(pid_t, const MappedModule&) {}

  // The records are final or about to go.
  virtual void records_ready(StoppedProcess& process, RecordsMoment moment) = 0;

  // The image has ended. What it was is forgotten by the session.
  virtual void image_ended(pid_t) {}

  // A thread goes on elsewhere than in its block (SessionObserver::block_left).
  virtual void block_left(pid_t, pid_t, uint64_t, const BlockLeft&) {}

  // Requests of the control protocol that the session itself does not know, one process at a time. `answer` may be
  // called later, once.
  virtual bool serves(std::string_view) const { return false; }
  // Tools keep the answer.  NOLINTNEXTLINE(performance-unnecessary-value-param)
  virtual void request(const ToolRequest&, StoppedProcess&, std::function<void(ToolAnswer)> answer) {
    answer({{}, "the tool does not know this request"});
  }

  // A client request of the app (protocol/client_requests.h, agent/engine/instrumenter.h) that the agent's half left to
  // the supervisor: its code and five arguments, by thread `tid`. None: the app gets the request's default.
  virtual std::optional<uint64_t> client_request(StoppedProcess&, pid_t, const ClientRequest&) { return {}; }

  // Functions that the agent's half wants to know in stacks, by name (of C++ ones demangled).
  virtual std::map<std::string, protocol::NamedKind> named_functions() const { return {}; }

  // The agent's half asked by ask_supervisor() (agent/engine/instrumenter.h) in thread `tid`, which goes on afterwards.
  virtual void agent_request(StoppedProcess&, pid_t, uint64_t, uint64_t) {}

  // Calls `then` on the event loop's thread when the results of all that has ended so far are written.
  // Tools keep it.  NOLINTNEXTLINE(performance-unnecessary-value-param)
  virtual void when_written(std::function<void()> then) { then(); }

  // The last process has gone: waits for all that is under way and writes it.
  virtual void session_finished() = 0;

  // Asked after session_finished: what vsup exits with instead of the program's status.
  virtual std::optional<int> exit_code() const { return {}; }
};

// An option that Valgrind's tool has and ours has not, and why.
struct LeftOutOption {
  const char* name;
  const char* reason;
};

struct ToolDescription {
  const char* name;        // --tool=NAME
  const char* help;        // what it does, for --help
  const char* agent_tool;  // VSUP_TOOL's name; empty: none
  std::span<const ToolOption> options;
  // Fills AgentSettings::tool_options from the options. Throws OptionError. May be null.
  void (*configure)(const ToolOptionValues& options, protocol::AgentSettings& settings);
  // Null: there is nothing to report.
  std::unique_ptr<ToolReport> (*make)(const ToolContext& context);
  // Client requests reach the tool from native code, too: one may switch instrumentation on.
  bool native_requests = false;
  // Its agent's half walks the stacks of threads that enter the cache from native code, by unwind tables.
  bool walks_stacks = false;
  std::span<const LeftOutOption> left_out = {};
};

}  // namespace vsup::supervisor
