// Purpose: how the dispatcher reaches the layer above that knows system calls.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent {

inline constexpr int kDispatchAgain = -1;

struct SyscallHandler {
  // Decides what becomes of the system call at ctx.syscall_pc, whose registers are in `ctx`; ctx.app_pc is already the
  // instruction after it. Called without the engine lock. Returns a VSUP_ACTION_* value, or kDispatchAgain when the
  // call has been emulated and the thread goes on at ctx.app_pc.
  int (*handle)(protocol::ThreadContext& ctx);

  // Called in both processes after a VSUP_ACTION_FORK.
  void (*after_fork)();

  // Called at the first entry after a VSUP_ACTION_SIGRETURN, when ctx.frame_pc_address is set.
  void (*restore_frame)(protocol::ThreadContext& ctx);

  // See os/signal_frame.h.
  bool (*deliver_signal)(protocol::ThreadContext& ctx);
};

// Told of what mmap, munmap, mremap and brk have done, in the dispatcher, without the engine lock. None at first.
struct MappingWatch {
  void (*mapped)(const protocol::ThreadContext& ctx, uint64_t start, uint64_t size);
  void (*unmapped)(uint64_t start, uint64_t size);
};
void set_mapping_watch(const MappingWatch& watch);

// Called around the system call of a fork, in both processes after it, with the engine lock held.
struct ForkGuard {
  void (*before)();
  void (*after)();
};
void set_fork_guard(const ForkGuard& guard);

void set_syscall_handler(const SyscallHandler& handler);

}  // namespace vsup::agent
