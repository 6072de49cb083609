// Purpose: the session's directory on disk and every write into it.
// Assumes: one per vsup. Promises: nothing is written outside the directory; a file is either its old or its new
// content, never half (temporary name, then rename); a write that fails leaves what is there and is reported once; an
// earlier session's files in the same directory stay, two sessions at a time do not share one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace vsup::supervisor {

class SessionDirectoryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class SessionDirectory {
 public:
  // `pattern`: --log-dir with its escapes; empty: a new directory in the default place. `program` becomes part of the
  // default name. `report` is told, once, that writing fails. Throws SessionDirectoryError.
  SessionDirectory(const std::string& pattern, std::string_view program,
                   std::function<void(const std::string&)> report);
  ~SessionDirectory();
  SessionDirectory(const SessionDirectory&) = delete;
  SessionDirectory& operator=(const SessionDirectory&) = delete;

  const std::string& path() const { return path_; }

  // A directory for one process image, <pid>.<image>-<executable>. Returns its name below path(), empty on failure.
  std::string make_process_directory(pid_t pid, unsigned image, std::string_view executable);

  // `name` is relative to path(). False on failure.
  bool write_file(const std::string& name, std::string_view content);
  bool append_file(const std::string& name, std::string_view content);
  // The same as write_file, for files that are written again and again: without freeing what they were in before.
  bool write_record(const std::string& name, std::string_view content);

  // Points `latest`, beside a directory in the default place, to it.
  void publish();
  // Takes back a directory that nothing but session.json was written to: the session never began.
  void discard();

  // Writes that failed, for the closing words.
  unsigned failures() const { return failures_; }

 private:
  void failed(const std::string& name, int error);
  int open_spare();
  void drop_spare();

  std::string path_;
  bool in_default_place_ = false;
  int fd_ = -1;
  unsigned failures_ = 0;
  std::function<void(const std::string&)> report_;
};

// Where the directories of sessions are by default, $XDG_STATE_HOME/vsup or ~/.local/state/vsup; empty when there is no
// home. It may not exist yet.
std::string default_place();

// Puts the content into `name`, relative to the open directory (or AT_FDCWD), by a temporary file that is renamed.
// False with errno set on failure.
bool write_file_whole(int directory, const std::string& name, std::string_view content);

// Writes all of it. False with errno set on failure.
bool write_fully(int fd, std::string_view content);

}  // namespace vsup::supervisor
