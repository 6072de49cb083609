#include "supervisor/session/trace_options.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "supervisor/ptrace/proc_files.h"

namespace vsup::supervisor {

std::string explain_trace_failure(pid_t pid, int error) {
  if (error == ESRCH) return "no such process";
  if (error != EPERM && error != EACCES) return strerror(error);
  const auto status = read_status_of(pid);
  if (!status) return "no such process";
  if (status->tracer != 0) return "traced already, by process " + std::to_string(status->tracer);
  if (status->state == 'Z' || status->state == 'X') return "it has ended already";
  if (read_link("/proc/" + std::to_string(pid) + "/exe").empty() && read_command_line(pid).empty())
    return "a kernel thread";
  if (status->uid != geteuid() && geteuid() != 0)
    return "it belongs to another user (uid " + std::to_string(status->uid) + ")";
  const std::string yama = read_file("/proc/sys/kernel/yama/ptrace_scope");
  if (!yama.empty() && yama[0] != '0')
    return "denied by Yama: /proc/sys/kernel/yama/ptrace_scope is " + yama.substr(0, 1) +
           " (0 allows it, or run with CAP_SYS_PTRACE)";
  const auto own = read_status_of(getpid());
  if (own && own->seccomp != 0) return "ptrace is denied, probably by the container's seccomp filter";
  return "denied: CAP_SYS_PTRACE is missing, or the process is not dumpable";
}

}  // namespace vsup::supervisor
