#include "supervisor/session/recorder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <unordered_map>

#include "supervisor/base/clock.h"
#include "supervisor/session/build_id.h"
#include "supervisor/session/process_record.h"

namespace vsup::supervisor {
namespace {

// session.json is rewritten as a whole: it may take this part of the time at most, and is not worth more often.
constexpr double kSessionWriteShare = 0.05;
constexpr double kSessionWriteSpacing = 0.05;
constexpr double kModuleWriteDelay = 0.05;
constexpr double kModuleWriteShare = 0.005;  // the list of a process with hundreds takes milliseconds

std::string plural(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string join_command(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    for (char c : word) text += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
  }
  return text;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string format_counter(const CounterValue& counter) {
  char text[64];
  std::snprintf(text, sizeof text, "%20" PRIu64 "  ", counter.value);
  return text + counter.sentence;
}

}  // namespace

struct Recorder::Impl {
  struct Live {
    ProcessRecord record;
    size_t row = 0;
    bool modules_changed = false;
    std::string client_line;  // what the process has printed of a line that is not complete yet
  };

  Impl(SessionDirectory& session_directory, RecorderOptions recorder_options, Later run_later, Say say_it)
      : directory(session_directory),
        options(std::move(recorder_options)),
        later(std::move(run_later)),
        say(std::move(say_it)),
        log_file(directory, options.log, [this](const std::string& line) { warn(line); }),
        alive(std::make_shared<bool>(true)) {}

  void warn(const std::string& line) { say("vsup: " + line + "\n"); }

  Live* find(pid_t pid) {
    auto found = processes.find(pid);
    return found == processes.end() ? nullptr : &found->second;
  }

  void write_log(const ProcessRecord& record, char marker, std::string_view text) {
    log_file.write(record.pid, record.image, record.directory, marker, text);
  }

  void save(Live& live) {
    live.modules_changed = false;
    for (ModuleRecord& module : live.record.modules) {
      if (module.build_id.empty()) module.build_id = build_id(module.path);
    }
    rows[live.row] = session_row(live.record);
    if (!live.record.directory.empty()) {
      directory.write_record(live.record.directory + "/process.json", process_json(live.record));
    }
  }

  void flush_client_line(Live& live) {
    if (live.client_line.empty()) return;
    write_log(live.record, '*', live.client_line);
    live.client_line.clear();
  }

  const std::string& build_id(const std::string& path) {
    auto [found, fresh] = build_ids.try_emplace(path);
    if (fresh) found->second = read_build_id(path);
    return found->second;
  }

  void save_session() {
    double began = monotonic_seconds();
    directory.write_record("session.json", session_json(session, rows));
    last_session_write = monotonic_seconds();
    session_write_cost = last_session_write - began;
  }

  void save_session_soon() {
    if (session_write_pending) return;
    double spacing = std::max(kSessionWriteSpacing, session_write_cost / kSessionWriteShare);
    // Not at once, either: the program waits now, or has just ended, and then finish() comes next.
    double wait = std::max(0.0, last_session_write + spacing - monotonic_seconds());
    session_write_pending = true;
    run_later(wait, [this] {
      session_write_pending = false;
      save_session();
    });
  }

  void save_modules_soon() {
    if (module_write_pending) return;
    module_write_pending = true;
    run_later(std::max(kModuleWriteDelay, module_write_cost / kModuleWriteShare), [this] {
      module_write_pending = false;
      const double began = monotonic_seconds();
      for (auto& [pid, live] : processes) {
        if (live.modules_changed) save(live);
      }
      module_write_cost = monotonic_seconds() - began;
    });
  }

  void run_later(double seconds, std::function<void()> action) {
    later(seconds, [still = std::weak_ptr<bool>(alive), action = std::move(action)] {
      if (!still.expired()) action();
    });
  }

  void add_to_sums(const std::vector<CounterValue>& counters) {
    for (const CounterValue& counter : counters) {
      auto found =
          std::find_if(sums.begin(), sums.end(), [&](const CounterValue& sum) { return sum.name == counter.name; });
      if (found == sums.end()) {
        sums.push_back(counter);
      } else {
        found->value += counter.value;
      }
    }
  }

  void end_image(pid_t pid, ImageState state, int wait_status, const std::vector<CounterValue>& counters) {
    Live* live = find(pid);
    if (live == nullptr) return;
    flush_client_line(*live);
    ProcessRecord& record = live->record;
    record.state = state;
    record.wait_status = wait_status;
    record.ended_seconds = realtime_seconds();
    record.counters = counters;
    add_to_sums(counters);
    save(*live);
    save_session_soon();

    std::string what;
    switch (state) {
      case ImageState::kExeced:
        what = "executed another program";
        break;
      case ImageState::kDetached:
        what = "detached, goes on without vsup";
        break;
      default:
        what = describe_wait_status(wait_status);
    }
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3f s", record.ended_seconds - record.started_seconds);
    write_log(record, '=', "\n" + what + " after " + seconds);
    if (options.stats && !counters.empty()) {
      std::string lines;
      for (const CounterValue& counter : counters) lines += format_counter(counter) + "\n";
      write_log(record, '-', lines);
    }
    if (options.verbosity > 0) {
      endings.push_back((record.directory.empty() ? std::to_string(pid) : record.directory) + ": " + what + " after " +
                        seconds);
    }
    if (state == ImageState::kExeced) previous[pid] = record.directory;
    processes.erase(pid);
  }

  SessionDirectory& directory;
  RecorderOptions options;
  Later later;
  Say say;
  LogFile log_file;
  SessionRecord session;
  std::unordered_map<pid_t, Live> processes;
  std::unordered_map<pid_t, std::string> previous;  // directory of the image that has just executed another
  std::unordered_map<std::string, std::string> build_ids;
  std::vector<std::string> rows;
  std::vector<std::string> endings;
  std::vector<CounterValue> sums;
  size_t process_count = 0, image_count = 0, crash_count = 0;
  double started_monotonic = monotonic_seconds();
  double last_session_write = 0, session_write_cost = 0, module_write_cost = 0;
  bool session_write_pending = false, module_write_pending = false;
  std::shared_ptr<bool> alive;
};

Recorder::Recorder(SessionDirectory& directory, RecorderOptions options, Later later, Say say)
    : impl_(std::make_unique<Impl>(directory, std::move(options), std::move(later), std::move(say))) {
  SessionRecord& session = impl_->session;
  session.pid = getpid();
  session.version = VSUP_VERSION;
  session.command = impl_->options.command;
  session.attached = impl_->options.attached;
  session.options = impl_->options.options;
  session.tool = impl_->options.tool;
  session.directory = directory.path();
  session.socket = impl_->options.socket;
  session.started_seconds = realtime_seconds();
  impl_->save_session();
}

Recorder::~Recorder() = default;

std::string Recorder::process_started(const ProcessSummary& process) {
  if (Impl::Live* old = impl_->find(process.pid)) {
    impl_->end_image(process.pid, ImageState::kExeced, 0, old->record.counters);
  }
  Impl::Live& live = impl_->processes[process.pid];
  ProcessRecord& record = live.record;
  record.pid = process.pid;
  record.parent = process.parent;
  record.image = process.image;
  record.executable = process.executable;
  record.arguments = process.arguments;
  record.tool = impl_->options.tool;
  record.mode = process.mode;
  record.note = process.note;
  record.started_seconds = process.started_seconds > 0 ? process.started_seconds : realtime_seconds();
  auto previous = impl_->previous.find(process.pid);
  if (previous != impl_->previous.end()) {
    record.previous = previous->second;
    impl_->previous.erase(previous);
  } else {
    ++impl_->process_count;
  }
  ++impl_->image_count;
  record.directory = impl_->directory.make_process_directory(process.pid, process.image, process.executable);
  live.row = impl_->rows.size();
  impl_->rows.emplace_back();
  impl_->save(live);
  impl_->save_session_soon();

  std::string header = "vsup " VSUP_VERSION ", tool " + record.tool + "\nCommand: " + join_command(record.arguments) +
                       "\nExecutable: " + join_command({record.executable}) +
                       "\nParent PID: " + std::to_string(process.system_parent);
  if (!record.note.empty()) header += "\n" + record.note;
  impl_->write_log(record, '=', header);
  if (record.directory.empty()) return {};
  return impl_->directory.path() + "/" + record.directory;
}

void Recorder::process_note(pid_t pid, const std::string& note) {
  Impl::Live* live = impl_->find(pid);
  if (live == nullptr) return;
  live->record.notes.push_back(note);
  impl_->write_log(live->record, '=', note);
  impl_->save(*live);
  if (impl_->options.verbosity > 0) impl_->say(prefix_lines(std::to_string(pid), '=', note));
}

void Recorder::client_message(pid_t pid, const std::string& text, const ThreadRegisters*) {
  constexpr size_t kLongestLine = 64 << 10;
  Impl::Live* live = impl_->find(pid);
  if (live == nullptr) return;
  std::string whole = live->client_line + text;
  const size_t end = whole.rfind('\n') + 1;
  live->client_line = whole.substr(end);
  whole.resize(end);
  if (!whole.empty()) impl_->write_log(live->record, '*', whole);
  if (live->client_line.size() > kLongestLine) impl_->flush_client_line(*live);
}

void Recorder::log_lines(pid_t pid, const std::string& text) {
  if (Impl::Live* live = impl_->find(pid)) impl_->write_log(live->record, '=', text);
}

void Recorder::module_mapped(pid_t pid, const MappedModule& module) {
  Impl::Live* live = impl_->find(pid);
  if (live == nullptr) return;
  for (const ModuleRecord& known : live->record.modules) {
    if (known.start == module.start && known.end == module.end && known.path == module.path) return;
  }
  live->record.modules.push_back({module.path, module.start, module.end, module.offset, {}});
  live->modules_changed = true;
  impl_->save_modules_soon();
}

void Recorder::mode_changed(pid_t pid, bool on, double time_seconds) {
  Impl::Live* live = impl_->find(pid);
  if (live == nullptr) return;
  live->record.toggles.push_back({time_seconds, on});
  live->record.mode = on ? ProcessMode::kInstrumented : ProcessMode::kNative;
  impl_->save(*live);
  impl_->save_session_soon();
  if (impl_->options.verbosity > 0) {
    impl_->write_log(live->record, '=', on ? "instrumentation on" : "instrumentation off");
  }
}

void Recorder::process_execed(pid_t pid, const std::vector<CounterValue>& counters) {
  impl_->end_image(pid, ImageState::kExeced, 0, counters);
}

void Recorder::process_exited(pid_t pid, ProcessEnd end, int wait_status, const std::vector<CounterValue>& counters) {
  if (end == ProcessEnd::kExeced) return process_execed(pid, counters);
  ImageState state = WIFSIGNALED(wait_status) ? ImageState::kKilled : ImageState::kExited;
  if (end == ProcessEnd::kDetached) state = ImageState::kDetached;
  impl_->end_image(pid, state, wait_status, counters);
  impl_->previous.erase(pid);
}

void Recorder::agent_crashed(pid_t pid, pid_t tid, const std::string& text) {
  ++impl_->crash_count;
  std::string lines = "vsup failed inside this process, thread " + std::to_string(tid);
  if (!text.empty()) lines += "\n" + text;
  impl_->say(prefix_lines(std::to_string(pid), '=', lines));
  Impl::Live* live = impl_->find(pid);
  if (live == nullptr) return;
  live->record.crash = split_lines(lines);
  impl_->write_log(live->record, '=', lines);
  impl_->save(*live);
}

void Recorder::write_log(const ProcessSummary& process, const std::string& directory, const std::string& text,
                         char marker) {
  impl_->log_file.write(process.pid, process.image, directory, marker, text);
}

void Recorder::session_ended(int wait_status) {
  impl_->session.wait_status = wait_status;
}

void Recorder::say_daemons_left() {
  const auto count = static_cast<unsigned>(impl_->processes.size());
  impl_->session.in_background = true;
  impl_->save_session();
  if (impl_->options.quiet) return;
  impl_->say(prefix_lines("vsup", '=',
                          plural(count, "process goes", "processes go") + " on in the background, recorded in " +
                              impl_->directory.path() + "\n"));
}

void Recorder::waits_for_rest(const std::vector<ProcessSummary>& rest) {
  constexpr size_t kMostNamed = 3;
  if (impl_->options.quiet || impl_->session.in_background) return;
  std::string names;
  for (size_t i = 0; i < rest.size() && i < kMostNamed; ++i)
    names += (i == 0 ? " (" : ", ") + std::to_string(rest[i].pid) + " " +
             join_command({rest[i].executable.substr(rest[i].executable.rfind('/') + 1)});
  names += rest.size() > kMostNamed ? ", ...)" : ")";
  const auto count = static_cast<unsigned>(rest.size());
  impl_->say(prefix_lines("vsup", '=',
                          "the program has ended; waiting for " + plural(count, "process", "processes") +
                              " that it left behind" + names + ", ^C lets go of " + (count == 1 ? "it" : "them") +
                              "\n"));
}

void Recorder::log(LogLevel level, const std::string& line) {
  const RecorderOptions& options = impl_->options;
  bool wanted = level == LogLevel::kError || level == LogLevel::kWarning ||
                (level == LogLevel::kInfo && (options.verbosity > 0 || options.debug)) || options.debug;
  if (!wanted) return;
  double elapsed = monotonic_seconds() - impl_->started_monotonic;
  impl_->directory.append_file("vsup.log", prefix_lines("vsup", '-', line, elapsed));
  bool aloud = level == LogLevel::kError || (level == LogLevel::kWarning && !options.quiet) ||
               (level == LogLevel::kInfo && options.verbosity > 0);
  if (aloud) impl_->warn(line);
}

void Recorder::finish() {
  Impl& impl = *impl_;
  for (auto& [pid, live] : impl.processes) impl.save(live);
  impl.session.ended = true;
  impl.session.ended_seconds = realtime_seconds();
  impl.save_session();
  impl.alive.reset();

  std::string words;
  for (const std::string& ending : impl.endings) words += ending + "\n";
  if (impl.options.stats) {
    for (const CounterValue& sum : impl.sums) words += format_counter(sum) + "\n";
  }
  if (!impl.options.quiet && impl.process_count > 0) {
    char seconds[32];
    double elapsed = monotonic_seconds() - impl.started_monotonic;
    std::snprintf(seconds, sizeof seconds, elapsed < 0.1 ? "%.3f s" : "%.1f s", elapsed);
    words += plural(impl.process_count, "process", "processes");
    if (impl.image_count != impl.process_count) words += " (" + plural(impl.image_count, "image", "images") + ")";
    words += std::string(", ") + seconds + "; results in " + impl.directory.path() + "\n";
  }
  if (impl.crash_count > 0) {
    words += plural(impl.crash_count, "process", "processes") + " ended because vsup failed inside\n";
  }
  if (impl.directory.failures() > 0) {
    words += plural(impl.directory.failures(), "write", "writes") + " failed: the results are not complete\n";
  }
  if (!words.empty()) impl.say(prefix_lines("vsup", '=', words));
}

}  // namespace vsup::supervisor
