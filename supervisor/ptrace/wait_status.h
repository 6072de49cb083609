// Purpose: what waitpid's status word says about a tracee seized with PTRACE_O_TRACESYSGOOD.
// Source: ptrace(2), "Stopped states".
#pragma once

#include <string>

namespace vsup::supervisor {

class WaitStatus {
 public:
  enum class Kind {
    kExited,       // exit_code()
    kKilled,       // fatal_signal()
    kSignal,       // signal-delivery-stop of signal(), or a single-step's SIGTRAP
    kSyscallStop,  // entry or exit of a system call
    kGroupStop,    // PTRACE_EVENT_STOP with a stopping signal(): the process is stopped
    kInterrupted,  // PTRACE_EVENT_STOP with SIGTRAP: an interrupt, a newborn's first stop, the end of a group-stop
    kEvent,        // another PTRACE_EVENT_*: event()
  };

  WaitStatus() = default;
  explicit WaitStatus(int status) : status_(status) {}

  Kind kind() const;
  int raw() const { return status_; }
  int exit_code() const { return (status_ >> 8) & 0xff; }
  int fatal_signal() const { return status_ & 0x7f; }
  int signal() const { return (status_ >> 8) & 0x7f; }
  int event() const { return (status_ >> 16) & 0xff; }
  bool is_gone() const { return kind() == Kind::kExited || kind() == Kind::kKilled; }
  std::string describe() const;

 private:
  int status_ = 0;
};

}  // namespace vsup::supervisor
