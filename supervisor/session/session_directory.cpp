#include "supervisor/session/session_directory.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "supervisor/session/log_name.h"

namespace vsup::supervisor {
namespace {

[[noreturn]] void cannot(const std::string& what, const std::string& path, int error) {
  throw SessionDirectoryError("cannot " + what + " " + path + ": " + std::strerror(error));
}

void make_directories(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) cannot("make the directory", path, errno);
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) cannot("make the directory", parent, errno);
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) cannot("make the directory", path, errno);
}

// What a record's former content is kept in, to be written over.
constexpr const char* kSpare = ".spare";

std::string absolute(const std::string& path) {
  char here[4096];
  if (path[0] == '/' || getcwd(here, sizeof here) == nullptr) return path;
  return std::string(here) + "/" + path;
}

std::string new_default_directory(std::string_view program) {
  std::string parent = default_place();
  if (parent.empty()) throw SessionDirectoryError("there is no home directory for the results; give --log-dir=DIR");
  make_directories(parent);
  char stamp[32] = "";
  time_t now = time(nullptr);
  struct tm fields {};
  if (localtime_r(&now, &fields) != nullptr) std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &fields);
  std::string name = std::string(stamp) + "-" + sanitize_file_name(base_name(program)) + "-" + std::to_string(getpid());
  std::string path = parent + "/" + name;
  for (int attempt = 2; mkdir(path.c_str(), 0700) != 0; ++attempt) {
    if (errno != EEXIST || attempt > 100) cannot("make the directory", path, errno);
    path = parent + "/" + name + "-" + std::to_string(attempt);
  }
  return path;
}

std::string named_directory(const std::string& pattern) {
  std::string error;
  std::string path = expand_log_name(pattern, getpid(), 0, error);
  if (!error.empty()) throw SessionDirectoryError("bad value '" + pattern + "' for --log-dir: " + error);
  path = absolute(path);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  make_directories(path);
  return path;
}

// An earlier session's processes have directories of their own; its session.json becomes session-1.json and so on.
void keep_earlier_session(int fd) {
  for (unsigned number = 1; faccessat(fd, "session.json", F_OK, 0) == 0 && number < 100000; ++number) {
    std::string name = "session-" + std::to_string(number) + ".json";
    if (renameat2(fd, "session.json", fd, name.c_str(), RENAME_NOREPLACE) == 0 || errno != EEXIST) return;
  }
}

// A file renamed over another has its blocks allocated and written out first (ext4's auto_da_alloc,
// ext4_rename in Linux 6.18): milliseconds on a busy disk. Files that change places are not.
// What was there, unless it was nothing, is at the temporary name then. False with errno set, and all as it was, when
// it is a directory.
bool put_in_place(int directory, const std::string& temporary, const std::string& name) {
  if (renameat2(directory, temporary.c_str(), directory, name.c_str(), RENAME_EXCHANGE) != 0)
    return renameat(directory, temporary.c_str(), directory, name.c_str()) == 0;  // nothing there, or not so here
  struct stat former {};
  if (fstatat(directory, temporary.c_str(), &former, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(former.st_mode)) return true;
  renameat2(directory, temporary.c_str(), directory, name.c_str(), RENAME_EXCHANGE);
  errno = EISDIR;
  return false;
}

// Makes the content all that is in the file `fd`, at its start, and closes it. False with errno set on failure, as that
// of opening it, when fd is negative.
bool fill_and_close(int fd, std::string_view content) {
  if (fd < 0) return false;
  const bool good = write_fully(fd, content) && ftruncate(fd, static_cast<off_t>(content.size())) == 0;
  const int error = errno;
  if (close(fd) != 0 && good) return false;
  errno = error;
  return good;
}

}  // namespace

std::string default_place() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/vsup";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const passwd* entry = getpwuid(getuid());
    home = entry != nullptr ? entry->pw_dir : nullptr;
  }
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.local/state/vsup" : std::string();
}

bool write_fully(int fd, std::string_view content) {
  while (!content.empty()) {
    ssize_t count = write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      if (count == 0) errno = ENOSPC;
      return false;
    }
    content.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

SessionDirectory::SessionDirectory(const std::string& pattern, std::string_view program,
                                   std::function<void(const std::string&)> report)
    : in_default_place_(pattern.empty()), report_(std::move(report)) {
  path_ = pattern.empty() ? new_default_directory(program) : named_directory(pattern);
  fd_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) cannot("use the directory", path_, errno);
  if (faccessat(fd_, ".", W_OK | X_OK, AT_EACCESS) != 0) {
    int error = errno;
    close(fd_);
    cannot("write to the directory", path_, error);
  }
  // Held as long as the descriptor: programs do not inherit it.
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(fd_);
    throw SessionDirectoryError("another session is writing to " + path_ + "; name another directory (%p helps)");
  }
  keep_earlier_session(fd_);
}

SessionDirectory::~SessionDirectory() {
  if (fd_ < 0) return;
  drop_spare();
  close(fd_);
}

// A convenience: without it the session goes on all the same.
void SessionDirectory::publish() {
  if (!in_default_place_) return;
  std::string name(base_name(path_));
  std::string parent = path_.substr(0, path_.size() - name.size());
  std::string link = parent + ".latest-" + std::to_string(getpid());
  unlink(link.c_str());
  if (symlink(name.c_str(), link.c_str()) == 0 && rename(link.c_str(), (parent + "latest").c_str()) != 0) {
    unlink(link.c_str());
  }
}

void SessionDirectory::discard() {
  drop_spare();
  unlinkat(fd_, "session.json", 0);
  rmdir(path_.c_str());
}

std::string SessionDirectory::make_process_directory(pid_t pid, unsigned image, std::string_view executable) {
  std::string base =
      std::to_string(pid) + "." + std::to_string(image) + "-" + sanitize_file_name(base_name(executable));
  std::string name = base;
  // A pid can come round again.
  for (unsigned attempt = 2; mkdirat(fd_, name.c_str(), 0700) != 0; ++attempt) {
    if (errno != EEXIST || attempt > 1000) {
      failed(name, errno);
      return {};
    }
    name = base + "-" + std::to_string(attempt);
  }
  return name;
}

bool SessionDirectory::write_file(const std::string& name, std::string_view content) {
  bool good = write_file_whole(fd_, name, content);
  if (!good) failed(name, errno);
  return good;
}

// A file system may look at each inode that was freed of late before it takes one for a new file (ext4 without a
// journal: recently_deleted, fs/ext4/ialloc.c in Linux 6.18), so none is freed but at the end: what was there is
// written over the next time.
bool SessionDirectory::write_record(const std::string& name, std::string_view content) {
  if (fill_and_close(open_spare(), content) && put_in_place(fd_, kSpare, name)) return true;
  const int error = errno;
  drop_spare();
  failed(name, error);
  return false;
}

// Not blocked by what somebody else has put there.
int SessionDirectory::open_spare() {
  constexpr int kHow = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int fd = openat(fd_, kSpare, kHow, 0600);
  struct stat facts {};
  if (fd >= 0 && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink == 1) return fd;
  if (fd >= 0) close(fd);
  drop_spare();
  return openat(fd_, kSpare, kHow | O_EXCL, 0600);
}

void SessionDirectory::drop_spare() {
  unlinkat(fd_, kSpare, 0);
}

bool write_file_whole(int directory, const std::string& name, std::string_view content) {
  std::string temporary = name + ".new";
  const int fd = openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  const bool good = fill_and_close(fd, content) && put_in_place(directory, temporary, name);
  const int error = errno;
  if (fd >= 0) unlinkat(directory, temporary.c_str(), 0);
  errno = error;
  return good;
}

bool SessionDirectory::append_file(const std::string& name, std::string_view content) {
  const int without_waiting = name.starts_with('/') ? 0 : O_NONBLOCK;  // for the reader of a pipe that was put there
  int fd = openat(fd_, name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | without_waiting, 0600);
  bool good = fd >= 0 && write_fully(fd, content);
  int error = errno;
  if (fd >= 0) close(fd);
  if (!good) failed(name, error);
  return good;
}

void SessionDirectory::failed(const std::string& name, int error) {
  if (failures_++ != 0) return;
  report_("cannot write " + (name.starts_with('/') ? name : path_ + "/" + name) + ": " + std::strerror(error) +
          "; the program goes on, what was written before is kept");
}

}  // namespace vsup::supervisor
