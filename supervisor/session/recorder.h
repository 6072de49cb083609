// Purpose: writes down a session as it happens: session.json, each process image's process.json and log.txt, vsup.log,
// the closing words on standard error.
// Assumes: called on the event loop's thread. Promises: what is on disk is complete after every state change of a
// process; only session.json and the list of modules may lag behind, by a fraction of a second, so that a session with
// thousands of processes stays cheap. It never throws and never ends the session.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/session/log_file.h"
#include "supervisor/session/session_directory.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor {

struct RecorderOptions {
  std::vector<std::string> command;
  std::vector<pid_t> attached;  // instead of a command
  std::vector<std::string> options;
  std::string tool;
  std::string socket;
  LogFileOptions log;
  bool quiet = false;
  int verbosity = 0;
  bool debug = false;
  bool stats = false;
};

class Recorder : public SessionObserver {
 public:
  // `later(seconds, action)` runs the action on the event loop after that time, or never when the loop ends before.
  using Later = std::function<void(double, std::function<void()>)>;
  // Where the words for people go; standard error but in tests.
  using Say = std::function<void(const std::string&)>;

  Recorder(SessionDirectory& directory, RecorderOptions options, Later later, Say say);
  ~Recorder() override;

  // A tool's lines for the log of an image, which may have ended. `directory` is relative to the session's. `marker` as
  // LogFile::write's.
  void write_log(const ProcessSummary& process, const std::string& directory, const std::string& text,
                 char marker = '=');
  // Lines for the log of a live process.
  void log_lines(pid_t pid, const std::string& text);

  // Writes session.json and says the closing words. Call once, after session_ended or when starting failed.
  void finish();

  std::string process_started(const ProcessSummary& process) override;
  void process_note(pid_t pid, const std::string& note) override;
  void client_message(pid_t pid, const std::string& text, const ThreadRegisters* where) override;
  void module_mapped(pid_t pid, const MappedModule& module) override;
  void mode_changed(pid_t pid, bool on, double time_seconds) override;
  void process_execed(pid_t pid, const std::vector<CounterValue>& counters) override;
  void process_exited(pid_t pid, ProcessEnd end, int wait_status, const std::vector<CounterValue>& counters) override;
  void records_ready(StoppedProcess&, RecordsMoment) override {}
  void agent_crashed(pid_t pid, pid_t tid, const std::string& text) override;
  void session_ended(int wait_status) override;
  void waits_for_rest(const std::vector<ProcessSummary>& rest) override;
  void log(LogLevel level, const std::string& line) override;

  // The program has ended, and only its daemons are recorded on.
  void say_daemons_left();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vsup::supervisor
