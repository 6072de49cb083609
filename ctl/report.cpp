#include "ctl/report.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ctl/client.h"

extern char** environ;

namespace vsup::ctl {
namespace {

bool holds_session(const std::string& directory) {
  return access((directory + "/session.json").c_str(), F_OK) == 0;
}

// As vsup has it: $XDG_STATE_HOME/vsup/latest or ~/.local/state/vsup/latest; empty when there is no home.
std::string latest_session() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/vsup/latest";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const passwd* entry = getpwuid(getuid());
    home = entry != nullptr ? entry->pw_dir : nullptr;
  }
  return home == nullptr ? std::string() : std::string(home) + "/.local/state/vsup/latest";
}

std::string program_beside(const char* name) {
  char path[PATH_MAX];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  if (size <= 0) return name;
  std::string self(path, static_cast<size_t>(size));
  std::string beside = self.substr(0, self.rfind('/') + 1) + name;
  return access(beside.c_str(), X_OK) == 0 ? beside : name;
}

std::string read_all(int fd) {
  std::string text;
  char bytes[4096];
  for (;;) {
    ssize_t count = read(fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(bytes, static_cast<size_t>(count));
  }
}

}  // namespace

std::string session_to_report(const std::string& name) {
  if (name.empty()) {
    std::vector<std::string> problems;
    // Several running sessions: choose_session says that one must be named.
    if (!find_sessions(problems).empty()) return choose_session("")->session_directory();
    std::string latest = latest_session();
    if (!latest.empty() && holds_session(latest)) return latest;
    throw ReportError("there is no session to report on: none runs, and " +
                      (latest.empty() ? "there is no home" : latest) + " holds none; name its directory");
  }
  if (holds_session(name)) return name;
  bool is_number = name.size() < 10 && name.find_first_not_of("0123456789") == std::string::npos;
  if (is_number) return choose_session(name)->session_directory();
  if (access(name.c_str(), F_OK) != 0) throw ReportError("cannot read " + name + ": " + std::strerror(errno));
  throw ReportError(name + " holds no session.json: it is not the directory of a session");
}

std::string make_report(const std::string& session_directory) {
  std::string program = program_beside("vsup"), option = "--report=" + session_directory;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw ReportError(std::string("cannot make a pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  char* arguments[] = {program.data(), option.data(), nullptr};
  pid_t pid = 0;
  int error = posix_spawnp(&pid, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string said = error == 0 ? read_all(ends[0]) : std::string();
  close(ends[0]);
  if (error != 0) throw ReportError("cannot run " + program + ": " + std::strerror(error));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw ReportError("vsup made no report of " + session_directory);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said;
}

}  // namespace vsup::ctl
