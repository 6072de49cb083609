// Purpose: one traced thread as the kernel knows it: registers, memory, resuming and waiting. Knows no agent.
// Assumes: calls that need a stopped thread are made on a stopped one.
// Promises: a thread that vanishes (SIGKILL may come at any moment) turns into TraceeGone, never into a failed check;
// its death is then reported by WaitManager::next().
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "supervisor/ptrace/registers.h"
#include "supervisor/ptrace/wait.h"
#include "supervisor/ptrace/wait_status.h"

namespace vsup::supervisor {

// Thrown by everything that finds its thread dead or dying.
struct TraceeGone {
  pid_t tid;
};

struct HeldSignal {
  int number = 0;
  siginfo_t info{};
  uint64_t stop_count = 0;  // Tracee::stop_count of the stop that brought it
  bool by_kernel = false;   // the agent cannot build its handler's frame
};

// Of a signal mask.
inline constexpr uint64_t kTrapBit = uint64_t{1} << (SIGTRAP - 1);

class Tracee {
 public:
  Tracee(pid_t thread, WaitManager& manager) : tid(thread), waits(manager) {}
  virtual ~Tracee() = default;
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  Registers registers();
  void set_registers(const Registers& registers);
  // Zeroed when the stop has none (group-stops).
  siginfo_t signal_info();
  void set_signal_info(const siginfo_t& info);
  // Whether a signal with that si_code waits for this thread alone, unreported.
  bool has_queued(int number, int code);
  uint64_t event_message();

  // Each resumes the thread; `signal` counts in a signal-delivery-stop only.
  void cont(int signal = 0);
  void step(int signal = 0);
  void step_to_syscall_exit();
  void listen();

  // The traps of single-steps and int3 are forced signals: with SIGTRAP blocked the kernel would unblock it and reset
  // its handler. So it is unblocked before, and blocked again before the app goes on. Both may be called repeatedly.
  void unblock_trap();
  void reblock_trap();
  // pselect, epoll_pwait and their like wait under a mask of their own, which the kernel forgets at the next return to
  // the app: it goes to `wait_mask`, and the thread's own is in force. Nothing, when the thread is not in such a wait.
  // `registers` are its own.
  void take_over_wait_mask(const Registers& registers);
  void set_signal_mask(uint64_t mask);
  uint64_t signal_mask();
  // x87's last instruction pointer is visible to the app: one inside [start, end) is forgotten.
  void hide_fpu_address(uint64_t start, uint64_t end);

  // False when the thread has gone.
  bool interrupt();
  bool detach(int signal = 0);

  void read(uint64_t address, void* to, size_t size);
  void write(uint64_t address, const void* from, size_t size);
  template <typename T>
  T read_as(uint64_t address) {
    T value;
    read(address, &value, sizeof value);
    return value;
  }
  template <typename T>
  void write_as(uint64_t address, const T& value) {
    write(address, &value, sizeof value);
  }

  // Waits for the stop after a resume that is known to be short; records it in `stop`.
  void wait_for_stop();

  // Notes a stop that was waited for, here or elsewhere.
  void note_stop(WaitStatus status);

  virtual std::string describe();

  const pid_t tid;
  WaitManager& waits;
  bool stopped = false;
  bool gone = false;                  // a request found it dead; its exit event is to come
  WaitStatus stop;                    // the last stop
  bool listening = false;             // resumed by PTRACE_LISTEN
  bool group_stopped = false;         // the process is in a group-stop, as far as we have seen
  std::deque<HeldSignal> held;        // signals taken from the kernel and not delivered yet
  std::optional<uint64_t> wait_mask;  // what `held` is to be delivered under
  uint64_t stop_count = 0;
  bool trap_unblocked = false;
  bool step_trap_due = false;  // a single-step was cut short by another stop: its SIGTRAP may still come

 private:
  long call(int request, uint64_t address, uint64_t data);
  void resume(int request, int signal);
};

}  // namespace vsup::supervisor
