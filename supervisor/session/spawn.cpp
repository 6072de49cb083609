// Purpose: starts the program with the signal mask, dispositions, descriptors, terminal and process group that vsup was
// started with, and keeps the terminal's signals the app's business.
#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "supervisor/base/log.h"
#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/proc_files.h"
#include "supervisor/session/inherited_state.h"
#include "supervisor/session/session_impl.h"
#include "supervisor/session/trace_options.h"

namespace vsup::supervisor {

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

// As the shell does: a name without a slash is looked up in PATH.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* variable = getenv("PATH");
  const std::string path = variable == nullptr ? "/usr/local/bin:/usr/bin:/bin" : variable;
  std::string fallback;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    const std::string folder = path.substr(at, end - at);
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    struct stat facts {};
    if (stat(candidate.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
      if (fallback.empty()) fallback = candidate;
    }
    at = end + 1;
  }
  return fallback;
}

// Why the kernel takes a whole ELF header for none of its own; empty when that is not what is wrong with `start`.
std::string foreign_program(const std::string& start) {
  Elf32_Ehdr header;  // up to e_machine it is that of 64 bits, too
  if (start.size() < sizeof header) return "";
  memcpy(&header, start.data(), sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "";
  if (header.e_ident[EI_CLASS] == ELFCLASS32 && header.e_machine == EM_386)
    return "a 32-bit program, and this kernel runs none";
  return header.e_machine == EM_X86_64 ? "" : "built for another processor";
}

[[noreturn]] void fail_exec(const std::string& name, const std::string& path, int error) {
  struct stat facts {};
  if (path.empty() || (error == ENOENT && stat(path.c_str(), &facts) != 0))
    throw StartError(name + ": program not found", kNotFound);
  if (stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode))
    throw StartError(name + ": is a directory", kNotExecutable);
  if (error == ENOENT || error == ENOEXEC) {
    const std::string start = read_file(path).substr(0, 256);
    if (start.rfind("#!", 0) == 0) {
      const std::string interpreter = start.substr(2, start.find('\n') - 2);
      throw StartError(name + ": its interpreter is not there:" +
                           (interpreter.empty() || interpreter[0] == ' ' ? "" : " ") + interpreter,
                       kNotExecutable);
    }
    if (error == ENOENT)
      throw StartError(name + ": the program interpreter that it names is not there", kNotExecutable);
    const std::string foreign = foreign_program(start);
    if (!foreign.empty()) throw StartError(name + ": " + foreign, kNotExecutable);
    throw StartError(name + ": not an executable format (a script without #! line?)", kNotExecutable);
  }
  throw StartError(name + ": cannot be executed: " + strerror(error), kNotExecutable);
}

}  // namespace

unsigned long SessionImpl::trace_options() const {
  // The last moment at which a tool's records can be read, even after a SIGKILL.
  return options_.settings.tool_name[0] == '\0' ? kTraceOptions : kTraceOptions | PTRACE_O_TRACEEXIT;
}

void SessionImpl::spawn() {
  const std::string& name = options_.arguments.front();
  const std::string path = find_program(name);
  if (path.empty()) fail_exec(name, path, ENOENT);
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) fail_exec(name, path, errno);
  if (S_ISDIR(facts.st_mode)) fail_exec(name, path, EACCES);

  std::vector<char*> arguments;
  for (const std::string& argument : options_.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  int go[2], failure[2];
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0)
    throw StartError(std::string("cannot create a pipe: ") + strerror(errno), 1);
  const pid_t vsup = getpid();
  const pid_t child = fork();
  if (child < 0) throw StartError(std::string("cannot fork: ") + strerror(errno), 1);
  if (child == 0) {
    char byte = 0;
    close(go[1]);
    if (read(go[0], &byte, 1) != 1 || getppid() != vsup) _exit(1);  // vsup has gone or could not trace
    restore_inherited_state_signal_safe();
    execv(path.c_str(), arguments.data());
    const int error = errno;
    if (write(failure[1], &error, sizeof error) < 0) _exit(1);
    _exit(kNotFound);
  }
  const UniqueFd go_read(go[0]), failure_read(failure[0]);
  UniqueFd go_write(go[1]), failure_write(failure[1]);
  failure_write.reset();
  if (ptrace(PTRACE_SEIZE, child, 0, trace_options()) != 0) {
    const std::string why = explain_trace_failure(child, errno);  // while the child is there to look at
    go_write.reset();
    waitpid(child, &root_status_, 0);
    if (!WIFSIGNALED(root_status_)) throw StartError("cannot trace the program: " + why, 1);
    root_ended_ = true;  // killed already
  }
  root_pid_ = child;
  if (!root_ended_) {
    Process& process = add_process(child, vsup);
    process.space = std::make_shared<AddressSpace>();
    process.want_on = options_.instrument_at_start;
    add_task(child, process);
    if (write(go_write.get(), "g", 1) != 1) throw StartError("cannot start the program", 1);
    go_write.reset();
  }

  // The error pipe closes with a successful exec. The exec-stop comes first: handle events until either is known.
  while (!root_execed_ && !root_ended_) {
    if (const auto event = waits_.next()) {
      handle(*event);
      continue;
    }
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    const timespec pause{0, 50'000'000};
    sigtimedwait(&mask, nullptr, &pause);
  }
  if (root_execed_) return;
  int error = 0;
  if (read(failure_read.get(), &error, sizeof error) == sizeof error) fail_exec(name, path, error);
  // Killed before its exec-stop was seen: the session ends with that status, and its directory says so.
  Process ended;
  ended.pid = child;
  ended.executable = path;
  ended.arguments = options_.arguments;
  ended.started_seconds = realtime_seconds();
  announce(ended);
  observer_.process_exited(child, ProcessEnd::kExited, root_status_, counter_values(ended));
}

}  // namespace vsup::supervisor
