// Purpose: the lines that Valgrind would print to stderr: log.txt of each process image, --log-file and --log-fd.
// Assumes: lines hold any bytes. Promises: a line that cannot be written is reported once and loses nothing before it;
// no descriptor stays open between calls.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "supervisor/session/session_directory.h"

namespace vsup::supervisor {

struct LogFileOptions {
  std::string pattern;      // --log-file, empty: none
  int fd = -1;              // --log-fd, -1: none
  bool time_stamp = false;  // --time-stamp
};

class LogFile {
 public:
  LogFile(SessionDirectory& directory, LogFileOptions options, std::function<void(const std::string&)> report);

  // `text`: one or more lines, with or without the last newline. `marker` is '=' for results, '-' for what vsup says
  // about itself, 0 for lines as they are (with the last newline). `directory`: the image's below the session's; empty:
  // it could not be made.
  void write(pid_t pid, unsigned image, const std::string& directory, char marker, std::string_view text);

 private:
  void write_named(pid_t pid, unsigned image, std::string_view lines);
  void failed(const std::string& where, const std::string& why);

  SessionDirectory& directory_;
  LogFileOptions options_;
  std::function<void(const std::string&)> report_;
  std::unordered_set<std::string> begun_;  // --log-file names written in this session
  bool failed_ = false;
  double started_ = 0;  // CLOCK_MONOTONIC
};

// "==name== line" for each line of `text`; with a time stamp "==00:00:01:02.345 name== line" (days, hours, minutes,
// seconds since the session began, as Valgrind prints them).
std::string prefix_lines(std::string_view name, char marker, std::string_view text, double elapsed_seconds = -1);

// Writes to a descriptor that may be a pipe without a reader: no SIGPIPE comes of it. Errors are ignored.
void write_to_people(int fd, std::string_view text);

}  // namespace vsup::supervisor
