// Purpose: a traced thread with what the session knows about it beyond the kernel's view.
//
// Where its registers are, at a stop:
//   instrumented = false                 the thread's own registers are the app's
//   instrumented = true                  they are the agent's or the cache's; GS base is its context
//   at_app_state = true                  `app` holds the app's registers, whatever the thread's own are; the thread
//                                        must be resumed through Session's resume_app_state()
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "protocol/agent_boot.h"
#include "supervisor/base/unique_fd.h"
#include "supervisor/ptrace/tracee.h"
#include "supervisor/session/session_observer.h"

namespace vsup::supervisor {

struct Process;

// A transfer or wait that our interruptions cut short and that goes on in a system call of its own, made natively: see
// continue_transfer() and continue_wait().
struct ContinuedCall {
  enum class Kind { kTransfer, kWait };
  Kind kind;
  Registers app;        // of a transfer as after a return with what is done so far; of a wait at its interruption
  uint64_t syscall_pc;  // of the call that the app made
  bool entering;        // the next stop is the entry of the further call, the one after that its exit
};

// A function of the app that runs natively for a client request.
struct NativeCall {
  Registers registers;  // behind the request
  std::vector<uint8_t> vectors;
};

struct Task : Tracee {
  Task(pid_t thread, WaitManager& manager, Process& owner) : Tracee(thread, manager), process(&owner) {}

  Process* process;
  bool instrumented = false;
  int slot = -1;
  bool slot_ready = false;  // a context has been written for the thread in `slot`

  bool at_app_state = false;
  Registers app{};
  // The thread's own registers, where it stands in a fragment or on the way to one: it goes on there when nothing has
  // changed, so that a tool that counts a block at its start does not count the rest of it again.
  std::optional<Registers> in_place;
  // Where it would go on then, or leaves a block.
  std::optional<BlockLeft> left_block;
  uint64_t syscall_pc = 0;  // app address of the system call instruction that `app` may be the interrupted exit of

  bool parked = false;        // stands still until the stop of the world ends
  bool pending_set = false;   // ThreadContext::pending is 1: it will stop at a safe point
  bool native_step = false;   // executes one app instruction natively under PTRACE_SINGLESTEP
  bool ending = false;        // has reached PTRACE_EVENT_EXIT
  bool exited = false;        // a leader that ended before its other threads: a zombie until they have gone
  bool in_vfork = false;      // waits in the kernel for its vfork child: cannot stop
  unsigned asleep_count = 0;  // how often in a row it was found in an uninterruptible sleep when it was to stop
  bool at_handler = false;    // at the first instruction of a signal handler
  bool was_native = false;    // has executed native code since it last was in the cache
  bool must_reenter = false;  // the cache was emptied or the mode changed while it could not stop
  bool trap_ignored = false;  // the app ignores SIGTRAP, which the trap at the door makes the default
  std::unique_ptr<NativeCall> native_call;
  std::optional<ContinuedCall> continued;
  // The last signal that the agent was to deliver, should it give it back, and the app's mask meanwhile.
  std::optional<HeldSignal> handed;
  uint64_t handed_mask = 0;
  std::unique_ptr<boost::asio::steady_timer> wait_timer;  // interrupts it then, where its own limit is a later one
  std::optional<double> wait_end_seconds;  // CLOCK_MONOTONIC: when a wait that was continued or is to be has lasted
  UniqueFd status_fd;                      // /proc/TID/status, opened by the first signal
};

}  // namespace vsup::supervisor
