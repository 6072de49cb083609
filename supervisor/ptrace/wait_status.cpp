#include "supervisor/ptrace/wait_status.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>

namespace vsup::supervisor {

WaitStatus::Kind WaitStatus::kind() const {
  if (WIFEXITED(status_)) return Kind::kExited;
  if (WIFSIGNALED(status_)) return Kind::kKilled;
  if (event() == PTRACE_EVENT_STOP) return signal() == SIGTRAP ? Kind::kInterrupted : Kind::kGroupStop;
  if (event() != 0) return Kind::kEvent;
  if (((status_ >> 8) & 0xff) == (SIGTRAP | 0x80)) return Kind::kSyscallStop;
  return Kind::kSignal;
}

std::string WaitStatus::describe() const {
  switch (kind()) {
    case Kind::kExited:
      return "exited with " + std::to_string(exit_code());
    case Kind::kKilled:
      return "killed by signal " + std::to_string(fatal_signal());
    case Kind::kSignal:
      return "signal " + std::to_string(signal());
    case Kind::kSyscallStop:
      return "system call stop";
    case Kind::kGroupStop:
      return "group stop by signal " + std::to_string(signal());
    case Kind::kInterrupted:
      return "interrupted";
    case Kind::kEvent:
      break;
  }
  return "event " + std::to_string(event());
}

}  // namespace vsup::supervisor
