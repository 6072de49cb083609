// Purpose: from the records of a process to its callgrind.out or cachegrind.out, off the event loop.
// Assumes: called on the event loop's thread. Promises: files are whole or absent; finish() waits for all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/reports/callgrind/callgrind_writer.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor::callgrind {

struct ProfileOutputOptions {
  bool cachegrind = false;
  bool collapsed = false;  // write stacks, too
  WriterOptions writer;
  std::string name_pattern;  // as expand_log_name's
};

// Where a profile goes.
struct ProfilePlace {
  unsigned image = 0;
  std::string directory;  // the process's, relative to the session directory
  bool numbered = false;  // a part in the middle of the run
  // Told on the event loop's thread when the files are there; their names are as ProfileOutput::Write's.
  std::function<void(const std::vector<std::string>& files)> written = {};
};

class ProfileOutput {
 public:
  // Writes a file whole, or adds to its end; `name` is relative to the session directory, or absolute.
  using Write = std::function<void(const std::string& name, const std::string& content)>;
  // Runs a function on the event loop's thread.
  using Post = std::function<void(std::function<void()>)>;

  ProfileOutput(ProfileOutputOptions options, Post post, Write write, Write append);
  ~ProfileOutput();
  ProfileOutput(const ProfileOutput&) = delete;
  ProfileOutput& operator=(const ProfileOutput&) = delete;

  // Code of a file is executed: its symbols and lines will be wanted at the end, and are read meanwhile, by way of the
  // thread `reachable`. May repeat.
  void prepare(pid_t pid, pid_t reachable, const MappedModule& module);
  // The process, or its image, has ended.
  void forget(pid_t pid);

  // A later profile of the same name replaces an earlier one.
  void add(Profile profile, ProfilePlace place);

  // Runs `job` on the thread that has the modules open, then `then` on the event loop's.
  void run(std::function<void(ModuleCodeCache&)> job, std::function<void()> then);

  // Waits for everything added and writes it.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vsup::supervisor::callgrind
