// Purpose: from the records of a process to its callgrind.out or cachegrind.out, off the event loop.
// Assumes: called on the event loop's thread. Promises: files are whole or absent; finish() waits for all.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "supervisor/reports/callgrind/callgrind_writer.h"

namespace vsup::supervisor::callgrind {

struct ProfileOutputOptions {
  bool cachegrind = false;
  bool collapsed = false;  // write stacks, too
  WriterOptions writer;
  std::string name_pattern;  // as expand_log_name's
};

class ProfileOutput {
 public:
  // Writes a file whole; `name` is relative to the session directory, or absolute.
  using Write = std::function<void(const std::string& name, const std::string& content)>;
  // Runs a function on the event loop's thread.
  using Post = std::function<void(std::function<void()>)>;

  ProfileOutput(ProfileOutputOptions options, Post post, Write write);
  ~ProfileOutput();
  ProfileOutput(const ProfileOutput&) = delete;
  ProfileOutput& operator=(const ProfileOutput&) = delete;

  // A file was mapped executable: its symbols will be wanted at the end, and are read meanwhile. May repeat.
  void prepare(pid_t pid, const std::string& path);

  // `directory` is the process's, relative to the session directory. A later profile of the same image replaces an
  // earlier one.
  void add(Profile profile, unsigned image, const std::string& directory);

  // Waits for everything added and writes it.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vsup::supervisor::callgrind
