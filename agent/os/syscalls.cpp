// Source of the numbers and argument orders: arch/x86/entry/syscalls/syscall_64.tbl and the man pages of section 2.
#include "agent/os/syscalls.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/base/settings.h"
#include "agent/base/ticks.h"
#include "agent/engine/actions.h"
#include "agent/engine/code_regions.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/fault_guard.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/syscall_handler.h"
#include "agent/engine/trap_guard.h"
#include "agent/os/address_limit.h"
#include "agent/os/mapping_calls.h"
#include "agent/os/signal_frame.h"

namespace vsup::agent {

namespace {

using protocol::Service;
using protocol::ThreadContext;

constexpr uint64_t kCloneVm = 0x100, kCloneUntraced = 0x80'0000;
constexpr uint64_t kMapFixed = 0x10, kProtWrite = 2, kProtExec = 4, kMremapFixed = 2;
constexpr uint64_t kArchSetGs = 0x1001, kArchGetGs = 0x1004;
constexpr int64_t kENOSYS = 38, kEFAULT = 14;

// The signal frame at rsp when rt_sigreturn is made: struct ucontext (arch/x86/include/uapi/asm/sigcontext.h,
// ucontext.h), whose saved rip lies 168 bytes in: uc_flags, uc_link, uc_stack (40 bytes), then r8 to r15, rdi, rsi,
// rbp, rbx, rdx, rax, rcx, rsp (128 bytes).
constexpr uint64_t kFramePcOffset = 168;
constexpr uint64_t kTrapFlag = 0x100;
constexpr int64_t kRtSigaction = 13;

uint64_t argument(const ThreadContext& ctx, int n) {
  static constexpr uint8_t kOrder[] = {protocol::kRdi, protocol::kRsi, protocol::kRdx,
                                       protocol::kR10, protocol::kR8,  protocol::kR9};
  return ctx.gpr[kOrder[n]];
}

int plain(ThreadContext& ctx) {
  ctx.next_cache_pc = continuation(ctx);
  return VSUP_ACTION_SYSCALL;
}

// As the kernel leaves the registers after a system call.
int emulated(ThreadContext& ctx, int64_t result) {
  ctx.gpr[protocol::kRax] = static_cast<uint64_t>(result);
  ctx.gpr[protocol::kRcx] = ctx.app_pc;
  ctx.gpr[protocol::kR11] = ctx.rflags;
  return kDispatchAgain;
}

bool replace_regions(uint64_t start, uint64_t size) {
  LockGuard guard(engine_lock);
  return code_regions_replaced(start, start + size);
}

MappingWatch mapping_watch;

int make_mapping_call(ThreadContext& ctx) {
  return mapping_watch.mapped == nullptr ? plain(ctx) : emulated(ctx, watched_mapping_call(ctx, mapping_watch));
}

// After a flush the call is met again.
int flush_first(ThreadContext& ctx, bool must_flush) {
  if (!must_flush) return make_mapping_call(ctx);
  ctx.app_pc = ctx.syscall_pc;
  return request_service(ctx, Service::kFlush);
}

int mapping_replaced(ThreadContext& ctx, uint64_t start, uint64_t size) {
  return flush_first(ctx, replace_regions(start, size));
}

// Also pkey_mprotect, whose first arguments are the same.
int protection_changed(ThreadContext& ctx) {
  uint64_t start = argument(ctx, 0), protection = argument(ctx, 2);
  bool unnoticed;
  {
    LockGuard guard(engine_lock);
    unnoticed = code_regions_protected(start, start + argument(ctx, 1), (protection & kProtExec) != 0,
                                       (protection & kProtWrite) != 0);
  }
  return flush_first(ctx, unnoticed);
}

int mremap(ThreadContext& ctx) {
  bool must_flush = replace_regions(argument(ctx, 0), argument(ctx, 1));
  if ((argument(ctx, 3) & kMremapFixed) != 0) must_flush |= replace_regions(argument(ctx, 4), argument(ctx, 2));
  return flush_first(ctx, must_flush);
}

ForkGuard fork_guard;

int forking(ThreadContext&) {
  engine_lock.lock();
  if (fork_guard.before != nullptr) fork_guard.before();
  return VSUP_ACTION_FORK;
}

int clone_with_flags(ThreadContext& ctx, uint64_t flags) {
  return (flags & kCloneVm) != 0 ? plain(ctx) : forking(ctx);
}

// CLONE_UNTRACED would leave the newborn without a supervisor.
int clone(ThreadContext& ctx) {
  ctx.gpr[protocol::kRdi] &= ~kCloneUntraced;
  return clone_with_flags(ctx, argument(ctx, 0));
}

int clone3(ThreadContext& ctx) {
  uint64_t flags = 0;  // first member of struct clone_args
  if (!vsup_safe_copy(&flags, reinterpret_cast<const void*>(argument(ctx, 0)), sizeof flags)) return plain(ctx);
  return clone_with_flags(ctx, flags);
}

// Before anything that the supervisor may ask for in between.
void note_frame(ThreadContext& ctx, uint64_t pc_address) {
  *static_cast<volatile uint64_t*>(&ctx.frame_pc_address) = pc_address;
}

// The frame brings its own signal mask: a thread that is wanted at its safe point with SIGTRAP unblocked goes there
// first, and one that is wanted later unblocks it behind the call (restore_frame). The supervisor tells by
// frame_pc_address.
int sigreturn(ThreadContext& ctx) {
  void* saved_pc = reinterpret_cast<void*>(ctx.gpr[protocol::kRsp] + kFramePcOffset);
  note_frame(ctx, reinterpret_cast<uint64_t>(saved_pc));
  if (wanted_at_safe_point(ctx)) {
    note_frame(ctx, 0);
    ctx.app_pc = ctx.syscall_pc;
    ctx.exit_id = static_cast<uint64_t>(int64_t{VSUP_EXIT_BEFORE_SYSCALL});
    return request_service(ctx, Service::kSafePoint);
  }
  if (instrumenter() != nullptr && instrumenter()->signal_returning != nullptr) {
    LockGuard guard(engine_lock);
    FaultGuard faults;
    instrumenter()->signal_returning(ctx);
  }
  uint64_t pc_and_flags[2] = {};
  auto enter = reinterpret_cast<uint64_t>(&vsup_enter);
  bool readable = vsup_safe_copy(pc_and_flags, saved_pc, sizeof pc_and_flags);
  // No frame there: natively the kernel says so to the app. A trap flag in it steps through the app's code, not ours.
  if (!readable || (pc_and_flags[1] & kTrapFlag) != 0 || !vsup_safe_copy(saved_pc, &enter, sizeof enter)) {
    note_frame(ctx, 0);
    ctx.app_pc = ctx.syscall_pc;
    return request_service(ctx, Service::kStepNative);
  }
  ctx.app_pc = pc_and_flags[0];
  return VSUP_ACTION_SIGRETURN;
}

// Behind the stack pointer the frame is still readable for the app: gives it its pc back, unless something else lies
// there by now.
void restore_frame(ThreadContext& ctx) {
  auto* saved_pc = reinterpret_cast<void*>(ctx.frame_pc_address);
  note_frame(ctx, 0);
  uint64_t pc = 0;
  if (vsup_safe_copy(&pc, saved_pc, sizeof pc) && pc == reinterpret_cast<uint64_t>(&vsup_enter))
    vsup_safe_copy(saved_pc, &ctx.app_pc, sizeof ctx.app_pc);
  unblock_trap_if_wanted(ctx);
}

int arch_prctl(ThreadContext& ctx) {
  switch (argument(ctx, 0)) {
    case kArchSetGs:
      ctx.app_gs_base = argument(ctx, 1);
      return emulated(ctx, 0);
    case kArchGetGs:
      return emulated(ctx,
                      vsup_safe_copy(reinterpret_cast<void*>(argument(ctx, 1)), &ctx.app_gs_base, 8) ? 0 : -kEFAULT);
    default:
      return plain(ctx);
  }
}

// What a tool has recorded goes with the address space.
int exec(ThreadContext& ctx) {
  if (instrumenter() != nullptr) {
    unblock_trap(ctx);
    ctx.service = static_cast<uint64_t>(Service::kBeforeExec);
    vsup_service_query();
    reblock_trap(ctx);  // a new image inherits the mask, and what is ignored
  }
  return plain(ctx);
}

// The answer is corrected while a trap of ours, in this thread or another, has just made "ignored" the default.
int trap_action(ThreadContext& ctx) {
  const bool ignored = vsup_settings.ignore_trap != 0;
  const auto* wanted = reinterpret_cast<const void*>(argument(ctx, 1));
  auto* former = reinterpret_cast<void*>(argument(ctx, 2));
  uint64_t handler = 0;  // first member of struct kernel_sigaction
  const bool sets = wanted != nullptr && vsup_safe_copy(&handler, wanted, sizeof handler);
  const auto result =
      static_cast<int64_t>(raw_syscall(kRtSigaction, kSigtrap, argument(ctx, 1), argument(ctx, 2), argument(ctx, 3)));
  if (result != 0) return emulated(ctx, result);
  if (sets) {
    vsup_settings.guard_trap = protocol::kTrapHandled;
    vsup_settings.ignore_trap = handler == kSignalIgnored ? 1 : 0;
  }
  if (ignored && former != nullptr && vsup_safe_copy(&handler, former, sizeof handler) && handler == kSignalDefault)
    vsup_safe_copy(former, &kSignalIgnored, sizeof kSignalIgnored);
  return emulated(ctx, 0);
}

int set_action(ThreadContext& ctx) {
  const uint64_t signal = argument(ctx, 0) & 0xffff'ffff;
  if (signal == kSigtrap) return trap_action(ctx);
  note_signal_action(signal, argument(ctx, 1));
  if (argument(ctx, 1) != 0 && vsup_settings.guard_trap == protocol::kTrapUnhandled)
    vsup_settings.guard_trap = protocol::kHandlersBlockTrap;
  return plain(ctx);
}

// Only a thread that may have SIGTRAP blocked needs the calls that keep it so over a trap.
int set_mask(ThreadContext& ctx) {
  constexpr uint64_t kBlock = 0, kUnblock = 1, kSetMask = 2;
  uint64_t mask = 0;
  if (argument(ctx, 1) == 0 || !vsup_safe_copy(&mask, reinterpret_cast<const void*>(argument(ctx, 1)), sizeof mask))
    return plain(ctx);
  const uint64_t how = argument(ctx, 0) & 0xffff'ffff;
  const bool has_trap = (mask & kTrapMask) != 0;
  if (how == kSetMask || (how == kBlock && has_trap)) {
    ctx.trap_blocked = has_trap ? 1 : 0;
  } else if (how == kUnblock && has_trap) {
    ctx.trap_blocked = 0;
  }
  return plain(ctx);
}

int handle(ThreadContext& ctx) {
  switch (ctx.gpr[protocol::kRax] & 0xffff'ffff) {
    case 9:  // mmap
      if ((argument(ctx, 3) & kMapFixed) == 0) return make_mapping_call(ctx);
      return mapping_replaced(ctx, argument(ctx, 0), argument(ctx, 1));
    case 11:   // munmap
    case 216:  // remap_file_pages
      return mapping_replaced(ctx, argument(ctx, 0), argument(ctx, 1));
    case 10:   // mprotect
    case 329:  // pkey_mprotect
      return protection_changed(ctx);
    case 25:
      return mremap(ctx);
    case 12:  // brk
      return make_mapping_call(ctx);
    case 13:  // rt_sigaction
      return set_action(ctx);
    case 14:  // rt_sigprocmask
      return set_mask(ctx);
    case 15:
      return sigreturn(ctx);
    case 56:
      return clone(ctx);
    case 57:
      return forking(ctx);
    case 97:   // getrlimit
    case 160:  // setrlimit
    case 302:  // prlimit64
      return concerns_address_limit(ctx) ? emulated(ctx, call_with_address_limit(ctx)) : plain(ctx);
    case 128:  // rt_sigtimedwait
    case 208:  // io_getevents
    case 220:  // semtimedop
    case 232:  // epoll_wait
    case 281:  // epoll_pwait
    case 333:  // io_pgetevents
    case 441:  // epoll_pwait2
      ctx.wait_began = ticks();
      return plain(ctx);
    case 60:  // exit
      if (instrumenter() != nullptr) instrumenter()->thread_ending(ctx);
      return plain(ctx);
    case 59:   // execve
    case 322:  // execveat
      return exec(ctx);
    case 435:
      return clone3(ctx);
    case 157:  // prctl
      note_process_control(argument(ctx, 0));
      return plain(ctx);
    case 317:  // seccomp
      want_fault_guarding(protocol::kFaultsFiltered);
      return plain(ctx);
    case 158:
      return arch_prctl(ctx);
    // rseq: its abort addresses mean nothing in the cache; but a C library that has it wants it for every thread.
    case 334:
      return vsup_settings.pass_rseq != 0 ? plain(ctx) : emulated(ctx, -kENOSYS);
    default:
      return plain(ctx);
  }
}

void after_fork() {
  if (fork_guard.after != nullptr) fork_guard.after();
  engine_lock.unlock();
}

}  // namespace

void set_mapping_watch(const MappingWatch& watch) {
  mapping_watch = watch;
}

void set_fork_guard(const ForkGuard& guard) {
  fork_guard = guard;
}

void install_syscall_handler() {
  set_syscall_handler({.handle = &handle,
                       .after_fork = &after_fork,
                       .restore_frame = &restore_frame,
                       .deliver_signal = [](ThreadContext& ctx) { return deliver_signal(ctx); }});
}

}  // namespace vsup::agent
