// Purpose: builds the frame of a signal handler as the kernel would, without a second stop of the thread. What the
// kernel knows of the handler and of the stacks it is asked, so nothing has to be remembered.
// Source: arch/x86/kernel/signal.c and signal_64.c (get_sigframe, x64_setup_rt_frame), arch/x86/kernel/fpu/signal.c
// (copy_fpstate_to_sigframe), arch/x86/include/uapi/asm/sigcontext.h and ucontext.h.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent {

// For ctx.signal_info, with the app's registers in `ctx` and all signals blocked but faults; ctx.signal_mask is the
// app's mask. True when the thread goes on at ctx.app_pc with the app's mask in force again: at the handler's first
// instruction, or where it was if the app ignores the signal. False when only the kernel can do it; nothing has changed
// then.
bool deliver_signal(protocol::ThreadContext& ctx);

}  // namespace vsup::agent
