#include "supervisor/session/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "supervisor/base/clock.h"
#include "supervisor/session/log_name.h"

namespace vsup::supervisor {
namespace {

// Blocks SIGPIPE in this thread and takes the one that came meanwhile.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  ~NoSigpipe() {
    timespec none{};
    while (sigtimedwait(&pipe_, nullptr, &none) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{}, old_{};
};

}  // namespace

std::string prefix_lines(std::string_view name, char marker, std::string_view text, double elapsed_seconds) {
  std::string prefix(2, marker);
  if (elapsed_seconds >= 0) {
    auto millis = static_cast<unsigned long long>(elapsed_seconds * 1000);
    char stamp[48];
    std::snprintf(stamp, sizeof stamp, "%02llu:%02llu:%02llu:%02llu.%03llu ", millis / 86400000, millis / 3600000 % 24,
                  millis / 60000 % 60, millis / 1000 % 60, millis % 1000);
    prefix += stamp;
  }
  prefix += name;
  prefix.append(2, marker);
  std::string lines;
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    lines += prefix;
    lines += ' ';
    lines += text.substr(begin, end - begin);
    lines += '\n';
    begin = end + 1;
  }
  return lines;
}

void write_to_people(int fd, std::string_view text) {
  NoSigpipe no_sigpipe;
  write_fully(fd, text);
}

LogFile::LogFile(SessionDirectory& directory, LogFileOptions options, std::function<void(const std::string&)> report)
    : directory_(directory), options_(std::move(options)), report_(std::move(report)), started_(monotonic_seconds()) {}

void LogFile::write(pid_t pid, unsigned image, const std::string& directory, char marker, std::string_view text) {
  double elapsed = options_.time_stamp ? monotonic_seconds() - started_ : -1;
  const std::string lines = marker == 0 ? std::string(text) : prefix_lines(std::to_string(pid), marker, text, elapsed);
  if (!directory.empty()) directory_.append_file(directory + "/log.txt", lines);
  if (options_.fd >= 0) write_to_people(options_.fd, lines);
  if (!options_.pattern.empty()) write_named(pid, image, lines);
}

// The first line that goes to a name in this session empties the file; processes may share one.
void LogFile::write_named(pid_t pid, unsigned image, std::string_view lines) {
  std::string error;
  std::string name = expand_log_name(options_.pattern, pid, image, error);
  if (!error.empty()) return failed(options_.pattern, error);
  bool first = begun_.insert(name).second;
  int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | (first ? O_TRUNC : 0), 0666);
  if (fd < 0) return failed(name, std::strerror(errno));
  NoSigpipe no_sigpipe;
  if (!write_fully(fd, lines)) failed(name, std::strerror(errno));
  close(fd);
}

void LogFile::failed(const std::string& where, const std::string& why) {
  if (failed_) return;
  failed_ = true;
  report_("cannot write the log " + where + ": " + why + "; it is complete in the session directory");
}

}  // namespace vsup::supervisor
