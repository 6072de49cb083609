// Source of the numbers and argument orders: arch/x86/entry/syscalls/syscall_64.tbl and the man pages of section 2.
#include "agent/os/syscalls.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/actions.h"
#include "agent/engine/code_cache.h"
#include "agent/engine/code_regions.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/syscall_handler.h"

namespace vsup::agent {

namespace {

using protocol::Service;
using protocol::ThreadContext;

constexpr uint64_t kCloneVm = 0x100;
constexpr uint64_t kMapFixed = 0x10, kMapFixedNoReplace = 0x100000;
constexpr uint64_t kArchSetGs = 0x1001, kArchGetGs = 0x1004;
constexpr int64_t kENOSYS = 38, kEFAULT = 14;

// The signal frame at rsp when rt_sigreturn is made: struct ucontext (arch/x86/include/uapi/asm/sigcontext.h, ucontext.h),
// whose saved rip lies 168 bytes in: uc_flags, uc_link, uc_stack (40 bytes), then r8 to r15, rdi, rsi, rbp, rbx, rdx, rax,
// rcx, rsp (128 bytes).
constexpr uint64_t kFramePcOffset = 168;

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

// The mappings in [start, start + size) are about to change; after a flush the call is met again.
int mapping_change(ThreadContext& ctx, uint64_t start, uint64_t size) {
  bool must_flush;
  {
    LockGuard guard(engine_lock);
    must_flush = code_regions_change(start, start + size);
  }
  if (!must_flush) return plain(ctx);
  ctx.app_pc = ctx.syscall_pc;
  return request_service(ctx, Service::kFlush);
}

int forking(ThreadContext&) {
  engine_lock.lock();
  return VSUP_ACTION_FORK;
}

int clone_with_flags(ThreadContext& ctx, uint64_t flags) {
  return (flags & kCloneVm) != 0 ? plain(ctx) : forking(ctx);
}

int clone3(ThreadContext& ctx) {
  uint64_t flags = 0;  // first member of struct clone_args
  if (!vsup_safe_copy(&flags, reinterpret_cast<const void*>(argument(ctx, 0)), sizeof flags)) return plain(ctx);
  return clone_with_flags(ctx, flags);
}

int sigreturn(ThreadContext& ctx) {
  void* saved_pc = reinterpret_cast<void*>(ctx.gpr[protocol::kRsp] + kFramePcOffset);
  uint64_t pc = 0;
  auto enter = reinterpret_cast<uint64_t>(&vsup_enter);
  if (!vsup_safe_copy(&pc, saved_pc, sizeof pc) || !vsup_safe_copy(saved_pc, &enter, sizeof enter)) {
    ctx.app_pc = ctx.syscall_pc;  // no frame there: natively the kernel says so to the app
    return request_service(ctx, Service::kStepNative);
  }
  ctx.app_pc = pc;
  return VSUP_ACTION_SIGRETURN;
}

int arch_prctl(ThreadContext& ctx) {
  switch (argument(ctx, 0)) {
    case kArchSetGs:
      ctx.app_gs_base = argument(ctx, 1);
      return emulated(ctx, 0);
    case kArchGetGs:
      return emulated(ctx, vsup_safe_copy(reinterpret_cast<void*>(argument(ctx, 1)), &ctx.app_gs_base, 8) ? 0 : -kEFAULT);
    default:
      return plain(ctx);
  }
}

int handle(ThreadContext& ctx) {
  switch (ctx.gpr[protocol::kRax] & 0xffff'ffff) {
    case 9:  // mmap
      if ((argument(ctx, 3) & (kMapFixed | kMapFixedNoReplace)) == 0) return plain(ctx);
      return mapping_change(ctx, argument(ctx, 0), argument(ctx, 1));
    case 10:   // mprotect
    case 11:   // munmap
    case 216:  // remap_file_pages
    case 329:  // pkey_mprotect
      return mapping_change(ctx, argument(ctx, 0), argument(ctx, 1));
    case 25:  // mremap: the old range
      return mapping_change(ctx, argument(ctx, 0), argument(ctx, 1));
    case 15: return sigreturn(ctx);
    case 56: return clone_with_flags(ctx, argument(ctx, 0));
    case 57: return forking(ctx);
    case 435: return clone3(ctx);
    case 158: return arch_prctl(ctx);
    case 334:  // rseq: its abort addresses mean nothing in the cache; but a C library that has it wants it for every thread
      return vsup_settings.pass_rseq != 0 ? plain(ctx) : emulated(ctx, -kENOSYS);
    default: return plain(ctx);
  }
}

void after_fork() { engine_lock.unlock(); }

}  // namespace

void install_syscall_handler() { set_syscall_handler(&handle, &after_fork); }

}  // namespace vsup::agent
