// Purpose: lets the agent trap while the app has SIGTRAP blocked. The trap of an int3 is a forced signal: the kernel
// would unblock SIGTRAP for good and reset the app's handler. Only apps that handle or block SIGTRAP can tell, as
// handlers of any signal do. One that ignores it has its choice reset by any trap, the supervisor's single-steps
// included: it is made again on the way back. Source: force_sig_info_to_task in kernel/signal.c.
#pragma once

#include "agent/base/syscall.h"

namespace vsup::agent {

inline constexpr uint64_t kSigtrap = 5, kTrapMask = 1u << (kSigtrap - 1);

inline bool guards_trap() {
  return vsup_settings.guard_trap == protocol::kTrapHandled ||
         (vsup_settings.guard_trap != protocol::kTrapUnhandled && !calls_are_filtered());
}

// The supervisor may ask for it at any time.
inline bool wanted_at_safe_point(const protocol::ThreadContext& ctx) {
  return *static_cast<const volatile uint64_t*>(&ctx.pending) != 0;
}

inline void unblock_trap(protocol::ThreadContext& ctx) {
  if (ctx.trap_blocked == 0 && !guards_trap()) return;
  ctx.trap_unblocked = (unblock_signals(kTrapMask) & kTrapMask) != 0 ? 1 : 0;
}

// After the thread's signal mask has been set: the trap at the safe point comes next.
inline void unblock_trap_if_wanted(protocol::ThreadContext& ctx) {
  if (wanted_at_safe_point(ctx)) unblock_trap(ctx);
}

inline void ignore_trap_again() {
  if (vsup_settings.ignore_trap == 0) return;
  SignalAction action = signal_action(kSigtrap);
  if (action.handler != kSignalDefault) return;
  action.handler = kSignalIgnored;
  set_signal_action(kSigtrap, action);
}

inline void reblock_trap(protocol::ThreadContext& ctx) {
  ignore_trap_again();
  if (ctx.trap_unblocked == 0) return;
  ctx.trap_unblocked = 0;
  block_signals(kTrapMask);
  unblock_trap_if_wanted(ctx);  // it may have been asked for between the two lines above
}

}  // namespace vsup::agent
