// Purpose: lets the agent trap while the app has SIGTRAP blocked. The trap of an int3 is a forced signal: the kernel
// would unblock SIGTRAP for good and reset the app's handler. Only apps that handle or block SIGTRAP can tell, as
// handlers of any signal do. One that ignores it has its choice reset by any trap, the supervisor's single-steps
// included: it is made again on the way back. Source: force_sig_info_to_task in kernel/signal.c.
#pragma once

#include "agent/base/syscall.h"
#include "agent/engine/code_cache.h"

namespace vsup::agent {

inline constexpr uint64_t kTrapMask = 1u << 4;

inline bool guards_trap() {
  return vsup_settings.guard_trap == protocol::kTrapHandled ||
         (vsup_settings.guard_trap != protocol::kTrapUnhandled &&
          vsup_settings.guard_faults != protocol::kFaultsFiltered);
}

// The supervisor may write it at any time.
inline bool wanted_at_safe_point(const protocol::ThreadContext& ctx) {
  return *static_cast<const volatile uint64_t*>(&ctx.pending) != 0;
}

inline void unblock_trap(protocol::ThreadContext& ctx) {
  if (ctx.trap_blocked == 0 && !guards_trap()) return;
  ctx.trap_unblocked = (unblock_signals(kTrapMask) & kTrapMask) != 0 ? 1 : 0;
}

inline void ignore_trap_again() {
  if (vsup_settings.ignore_trap == 0) return;
  constexpr uint64_t kRtSigaction = 13, kSigtrap = 5, kDefault = 0, kIgnore = 1, kMaskSize = 8;
  uint64_t action[4] = {};  // struct kernel_sigaction: handler, flags, restorer, mask
  raw_syscall(kRtSigaction, kSigtrap, 0, reinterpret_cast<uint64_t>(action), kMaskSize);
  if (action[0] != kDefault) return;
  action[0] = kIgnore;
  raw_syscall(kRtSigaction, kSigtrap, reinterpret_cast<uint64_t>(action), 0, kMaskSize);
}

inline void reblock_trap(protocol::ThreadContext& ctx) {
  ignore_trap_again();
  if (ctx.trap_unblocked == 0) return;
  ctx.trap_unblocked = 0;
  block_signals(kTrapMask);
  // The trap at the safe point comes next; the supervisor may have asked for it between the two lines above.
  if (wanted_at_safe_point(ctx)) unblock_trap(ctx);
}

}  // namespace vsup::agent
