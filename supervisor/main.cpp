// Purpose: vsup's main program: options, session directory, control socket, session, and an end like the program's own.
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <list>
#include <memory>

#include "supervisor/base/clock.h"
#include "supervisor/base/log.h"
#include "supervisor/control/control_server.h"
#include "supervisor/front.h"
#include "supervisor/options.h"
#include "supervisor/reports/crash_report.h"
#include "supervisor/reports/heap/heap_modules.h"
#include "supervisor/reports/html/session_loader.h"
#include "supervisor/reports/stack_table_watch.h"
#include "supervisor/reports/stack_text.h"
#include "supervisor/session/inherited_state.h"
#include "supervisor/session/recorder.h"
#include "supervisor/session/session.h"
#include "supervisor/session/session_directory.h"
#include "supervisor/symbols/thread_stacks.h"

namespace vsup::supervisor {
namespace {

namespace asio = boost::asio;

void say(const std::string& lines) {
  write_to_people(STDERR_FILENO, lines);
}

int fail(const std::string& message, int status = 1) {
  say("vsup: " + message + "\n");
  return status;
}

// Nothing that vsup opens may become standard input, output or error; the program finds them closed as they were.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd) _exit(1);
  }
}

// Timers that do not keep the loop going once the session has ended.
class Timers {
 public:
  explicit Timers(asio::io_context& io) : io_(io) {}

  void run_later(double seconds, std::function<void()> action) {
    if (over_) return;
    auto timer = timers_.emplace(timers_.end(), io_);
    timer->expires_after(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
    timer->async_wait([this, timer, action = std::move(action)](boost::system::error_code stopped) {
      if (!stopped) action();
      timers_.erase(timer);
    });
  }

  void cancel() {
    over_ = true;
    for (auto& timer : timers_) timer.cancel();
  }

 private:
  asio::io_context& io_;
  std::list<asio::steady_timer> timers_;
  bool over_ = false;
};

// Of a program that ended so; a tool may have another one.
int exit_status_of(const ToolReport* tool, int wait_status) {
  const std::optional<int> code = tool != nullptr ? tool->exit_code() : std::nullopt;
  return code ? W_EXITCODE(*code & 0xff, 0) : wait_status;
}

class SessionRecorder : public Recorder {
 public:
  SessionRecorder(SessionDirectory& directory, RecorderOptions options, Timers& timers, std::function<void()> ended)
      : Recorder(
            directory, std::move(options),
            [&timers](double seconds, std::function<void()> action) { timers.run_later(seconds, std::move(action)); },
            say),
        ended_(std::move(ended)) {}

  void set_tool(ToolReport& tool) { tool_ = &tool; }

  std::string process_started(const ProcessSummary& process) override {
    std::string directory = Recorder::process_started(process);
    if (tool_ != nullptr) {
      ProcessSummary image = process;
      image.directory = directory.substr(std::min(directory.size(), directory.rfind('/') + 1));
      tool_->image_started(image);
    }
    return directory;
  }

  void module_mapped(pid_t pid, const MappedModule& module) override {
    Recorder::module_mapped(pid, module);
    if (tool_ != nullptr) tool_->module_mapped(pid, module);
  }

  void records_ready(StoppedProcess& process, RecordsMoment moment) override {
    if (tool_ != nullptr) tool_->records_ready(process, moment);
  }

  void process_execed(pid_t pid, const std::vector<CounterValue>& counters) override {
    Recorder::process_execed(pid, counters);
    if (tool_ != nullptr) tool_->image_ended(pid);
  }

  void process_exited(pid_t pid, ProcessEnd end, int wait_status, const std::vector<CounterValue>& counters) override {
    Recorder::process_exited(pid, end, wait_status, counters);
    if (tool_ != nullptr) tool_->image_ended(pid);
  }

  void client_message(pid_t pid, const std::string& text, const ThreadRegisters* where) override {
    Recorder::client_message(pid, text, where);
    if (where == nullptr) return;
    const std::vector<ThreadStack> stacks = symbolize_stacks(walk_stacks(pid, {*where}), symbolizer_);
    if (!stacks.empty()) log_lines(pid, stack_text(stacks.front().frames));
  }

  std::optional<uint64_t> client_request(StoppedProcess& process, pid_t tid, const ClientRequest& request) override {
    return tool_ != nullptr ? tool_->client_request(process, tid, request) : std::nullopt;
  }

  void block_left(pid_t pid, pid_t tid, uint64_t context, const BlockLeft& left) override {
    if (tool_ != nullptr) tool_->block_left(pid, tid, context, left);
  }

  void agent_request(StoppedProcess& process, pid_t tid, uint64_t code, uint64_t argument) override {
    if (tool_ != nullptr) tool_->agent_request(process, tid, code, argument);
  }

  void session_ended(int wait_status) override {
    Recorder::session_ended(wait_status);
    wait_status_ = wait_status;
    ended_();
  }

  void only_daemons_left(int wait_status) override {
    if (!left_) return;
    const auto leave = [this, wait_status] {
      say_daemons_left();
      left_(exit_status_of(tool_, wait_status));
    };
    if (tool_ != nullptr)
      tool_->when_written(leave);
    else
      leave();
  }

  void set_left(std::function<void(int)> left) { left_ = std::move(left); }

  int wait_status() const { return wait_status_; }

 private:
  std::function<void()> ended_;
  std::function<void(int)> left_;
  ToolReport* tool_ = nullptr;
  Symbolizer symbolizer_;
  int wait_status_ = 0;
};

// The constructor of the server wants a controller, that of the session an observer, which wants the server's path.
class LateController : public Controller {
 public:
  void set(Controller& controller) { controller_ = &controller; }

  std::vector<ProcessSummary> processes() const override { return controller_->processes(); }
  void toggle(bool on, const std::vector<pid_t>& pids, std::function<void(ToggleResult)> done) override {
    controller_->toggle(on, pids, std::move(done));
  }
  std::vector<CounterValue> counters(pid_t pid) const override { return controller_->counters(pid); }
  void with_threads_stopped(pid_t pid, std::function<void(const std::vector<ThreadRegisters>&)> visit) override {
    controller_->with_threads_stopped(pid, std::move(visit));
  }
  void with_process_stopped(pid_t pid, std::function<void(StoppedProcess*)> visit) override {
    controller_->with_process_stopped(pid, std::move(visit));
  }
  unsigned kill(const std::vector<pid_t>& pids) override { return controller_->kill(pids); }
  void detach(const std::vector<pid_t>& pids, std::function<void(unsigned)> done) override {
    controller_->detach(pids, std::move(done));
  }

 private:
  Controller* controller_ = nullptr;
};

RecorderOptions recorder_options(const Options& options, const std::string& socket) {
  RecorderOptions result;
  result.command = options.session.arguments;
  result.attached = options.session.attach_pids;
  result.options = options.given;
  result.tool = options.session.tool;
  result.socket = socket;
  result.log = {options.log_file, options.log_fd, options.time_stamp};
  result.quiet = options.quiet;
  result.verbosity = options.verbosity;
  result.debug = options.debug;
  result.stats = options.stats;
  return result;
}

std::string session_name(const SessionOptions& options) {
  return options.arguments.empty() ? "attach-" + std::to_string(options.attach_pids.front())
                                   : options.arguments.front();
}

// Ends as the program did: whoever waits for vsup sees the same status.
int end_like(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  if (!WIFSIGNALED(wait_status)) return 0;
  int number = WTERMSIG(wait_status);
  rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);  // a core_pattern with a pipe does not heed the limit
  std::signal(number, SIG_DFL);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, number);
  sigprocmask(SIG_UNBLOCK, &mask, nullptr);
  raise(number);
  return 128 + number;
}

ToolContext make_tool_context(const Options& options, SessionDirectory& directory, asio::io_context& io,
                              const std::function<void(const ProcessSummary&, const std::string&, char)>& log) {
  ToolContext context;
  context.options = options.tool_values;
  context.session_directory = directory.path();
  context.verbosity = options.verbosity;
  context.quiet = options.quiet;
  context.write_file = [&directory](const std::string& name, const std::string& content) {
    directory.write_file(name, content);
  };
  context.append_file = [&directory](const std::string& name, const std::string& content) {
    directory.append_file(name, content);
  };
  context.log = [log](const ProcessSummary& process, const std::string& text) { log(process, text, '='); };
  context.log_plain = [log](const ProcessSummary& process, const std::string& text) { log(process, text, 0); };
  context.post = [&io](std::function<void()> job) { asio::post(io, std::move(job)); };
  return context;
}

// Returns a wait status.
int run(const Options& options, Front& front) {
  SessionDirectory directory(options.log_dir, session_name(options.session),
                             [](const std::string& line) { say("vsup: " + line + "\n"); });
  // Declared in the order of need: what is used by callbacks of the loop outlives the loop's handlers.
  LateController controller;
  asio::io_context io(1);
  Timers timers(io);
  std::unique_ptr<SymbolWorker> symbol_worker;

  CommandContext context{
      controller, {}, getpid(), directory.path(), options.session.tool, options.session.arguments, realtime_seconds()};
  context.collect_stacks = [&](pid_t pid, std::function<void(std::vector<ThreadStack>)> done) {
    if (!symbol_worker) {
      symbol_worker =
          std::make_unique<SymbolWorker>([&io](SymbolWorker::Task task) { asio::post(io, std::move(task)); });
    }
    collect_thread_stacks(controller, *symbol_worker, pid, std::move(done));
  };
  SessionRecorder* written = nullptr;  // by the tool, once there is one
  const ToolContext tool_context = make_tool_context(
      options, directory, io, [&written](const ProcessSummary& process, const std::string& text, char marker) {
        if (written != nullptr) written->write_log(process, process.directory, text, marker);
      });
  const std::unique_ptr<ToolReport> tool = options.tool->make != nullptr ? options.tool->make(tool_context) : nullptr;
  context.report = tool.get();
  ControlServer server(io, std::move(context));

  SessionRecorder recorder(directory, recorder_options(options, server.path()), timers, [&] {
    server.close();
    timers.cancel();
  });
  enable_debug_log(options.debug);
  if (server.path().empty()) {
    recorder.log(LogLevel::kWarning, "no control socket, vctl will not reach this session: " + server.error());
  }

  written = &recorder;
  if (tool) recorder.set_tool(*tool);
  if (front.is_split()) recorder.set_left([&front](int wait_status) { front.release(wait_status); });

  SessionOptions session_options = options.session;
  if (session_options.settings.hook_heap != 0)
    session_options.make_module_watch =
        heap_module_watches(session_options.settings, tool ? tool->named_functions() : NamedFunctions());
  else if (session_options.walks_stacks)
    session_options.make_module_watch = stack_table_watches();
  session_options.describe_crash = describe_crash;
  if (const std::string place = default_place(); !place.empty() && session_options.native_requests)
    session_options.searched_code = place + "/searched-code";
  Session session(io, session_options, recorder);
  controller.set(session);
  try {
    session.start();
  } catch (const StartError& error) {
    directory.discard();
    return W_EXITCODE(fail(error.what(), error.exit_status), 0);
  }
  directory.publish();
  int wait_status = 0;
  try {
    io.run();
    wait_status = recorder.wait_status();
  } catch (const std::exception& error) {
    // What was seen so far is written; the kernel ends the tracees with us.
    recorder.log(LogLevel::kError, std::string("vsup failed: ") + error.what());
    wait_status = W_EXITCODE(1, 0);
  }
  symbol_worker.reset();
  if (tool) {
    tool->session_finished();
    io.restart();
    io.poll();  // what it has posted meanwhile
    wait_status = exit_status_of(tool.get(), wait_status);
  }
  recorder.finish();
  return wait_status;
}

int make_report(const std::string& directory) {
  std::string error;
  const std::optional<html::ReportSession> session = html::load_session(directory, &error);
  if (!session) return fail(error);
  const std::string path = directory + "/report.html";
  if (!write_file_whole(AT_FDCWD, path, html::render_report_page(*session))) {
    return fail("cannot write " + path + ": " + std::strerror(errno));
  }
  return write_fully(STDOUT_FILENO, path + "\n") ? 0 : 1;
}

int main_program(int argc, char** argv) {
  fill_standard_descriptors();
  raise_limits();
  ::mallopt(M_ARENA_MAX, 1);  // an arena of a thread's own grows by a system call a page
  // What was freed is used again: its pages are there. Larger arrays get theirs by `prepare_pages`.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  std::vector<std::string> warnings;
  Options options;
  try {
    std::vector<OptionSource> sources = find_option_sources(warnings);
    options = parse_options(std::vector<std::string>(argv + 1, argv + argc), sources);
  } catch (const OptionError& error) {
    return fail(error.what());
  }
  for (const std::string& warning : warnings) say("vsup: " + warning + "\n");
  std::string text;
  switch (options.action) {
    case OptionsAction::kHelp:
      text = help_text();
      break;
    case OptionsAction::kVersion:
      text = "vsup " VSUP_VERSION "\n";
      break;
    case OptionsAction::kListOptions:
      text = list_options_text();
      break;
    case OptionsAction::kReport:
      return make_report(options.report_dir);
    case OptionsAction::kRun:
      break;
  }
  if (!text.empty()) return write_fully(STDOUT_FILENO, text) ? 0 : 1;
  try {
    Front front;
    if (!options.session.wait_for_daemons && !options.session.arguments.empty()) {
      if (const std::optional<int> status = front.split()) return end_like(*status);
    }
    return end_like(run(options, front));
  } catch (const SessionDirectoryError& error) {
    return fail(error.what());
  } catch (const std::exception& error) {
    return fail(std::string("cannot start: ") + error.what());
  }
}

}  // namespace
}  // namespace vsup::supervisor

int main(int argc, char** argv) {
  return vsup::supervisor::main_program(argc, argv);
}
