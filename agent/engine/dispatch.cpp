// Purpose: the dispatcher: every way out of the code cache ends here, and here is decided how the thread goes on.
#include "agent/engine/dispatch.h"

#include "agent/base/check.h"
#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/actions.h"
#include "agent/engine/client_request.h"
#include "agent/engine/code_regions.h"
#include "agent/engine/fault_guard.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/link.h"
#include "agent/engine/side_exits.h"
#include "agent/engine/syscall_handler.h"
#include "agent/engine/translate.h"
#include "agent/engine/trap_guard.h"
#include "agent/engine/x87_pointer.h"
#include "protocol/context_offsets.h"

extern "C" {
int vsup_dispatch(vsup::protocol::ThreadContext* ctx);
void vsup_reset_cache();
}

namespace vsup::agent {

using protocol::Service;
using protocol::ThreadContext;

Lock engine_lock;

namespace {

SyscallHandler syscall_handler;
int (*entry_watch)(ThreadContext& ctx);

// A filter of the app's might kill for the question.
uint64_t thread_id() {
  return calls_are_filtered() ? kUnknownThread : own_thread_id();
}

void empty_branch_table(ThreadContext& ctx) {
  auto* table = reinterpret_cast<uint64_t*>(ctx.self + protocol::kBranchTableOffset);
  auto miss = reinterpret_cast<uint64_t>(&vsup_indirect_miss);
  for (uint64_t i = 0; i < protocol::kBranchTableEntries; ++i) table[i] = miss;
  ctx.branch_table_epoch = code_cache.epoch();
  if (ctx.tid == 0) ctx.tid = thread_id();
  if (instrumenter() != nullptr && ctx.tool_stack == 0) instrumenter()->thread_started(ctx);
}

// The block at `tag` has other bytes than its fragment: translates it anew and forwards the old one.
uint32_t replace_stale(AppPc tag) {
  uint32_t old = find_fragment(tag);
  if (old != kNoFragment) remove_fragment(old);
  uint32_t fresh = translate(tag, Arrival::kDirect);
  if (fresh != kNoFragment && old != kNoFragment && (CodeCache::fragments()[old].flags & protocol::kFragmentChecked)) {
    forward_fragment(old, fresh);
    CodeCache::thunk_of()[fresh] = CodeCache::thunk_of()[old];
  }
  count(protocol::kCounter_stale_blocks);
  return fresh;
}

// Brings ctx to a fragment for ctx.app_pc. `link` is the direct exit that was taken, 0 for none.
int resume(ThreadContext& ctx, uint32_t link, bool indirect, bool stale) {
  for (int action = kDispatchAgain; entry_watch != nullptr && action != kNotWatched;) {
    action = entry_watch(ctx);
    if (action >= 0) return action;
    if (action == kDispatchAgain) link = 0;
  }
  LockGuard guard(engine_lock);
  AppPc pc{ctx.app_pc};
  if (code_cache.full()) return request_service(ctx, Service::kFlush);
  uint32_t index = stale ? replace_stale(pc) : find_fragment(pc);
  if (index == kNoFragment) {
    index = translate(pc, indirect ? Arrival::kIndirect : Arrival::kDirect);
    if (index == kNoFragment) return request_service(ctx, Service::kStepNative);
  }
  if (link != 0) link_exit(link, index);
  if (indirect && vsup_settings.link != 0) {
    auto* table = reinterpret_cast<uint64_t*>(ctx.self + protocol::kBranchTableOffset);
    table[ctx.app_pc & 0xffff] = reinterpret_cast<uint64_t>(ensure_thunk(index));
    count(protocol::kCounter_indirect_misses);
  }
  ctx.next_cache_pc = reinterpret_cast<uint64_t>(fragment_entry(index));
  return VSUP_ACTION_RESUME;
}

// A thread that would go on asks the supervisor first, if the tool wants it to.
int after_tool(ThreadContext& ctx, int action) {
  const bool asks = ctx.service == static_cast<uint64_t>(Service::kToolRequest);
  return asks && action == VSUP_ACTION_RESUME ? request_service(ctx, Service::kToolRequest) : action;
}

bool watches_system_calls() {
  return instrumenter() != nullptr && instrumenter()->system_call_starts != nullptr;
}

int dispatch_syscall(ThreadContext& ctx) {
  ctx.syscall_pc = ctx.app_pc;
  ctx.app_pc = ctx.syscall_pc + 2;
  count(protocol::kCounter_system_calls);
  if (watches_system_calls()) instrumenter()->system_call_starts(ctx);
  int action = syscall_handler.handle(ctx);
  if (action != kDispatchAgain) return action;
  if (watches_system_calls()) instrumenter()->system_call_ended(ctx);
  return resume(ctx, 0, false, false);
}

}  // namespace

int request_service(ThreadContext& ctx, Service service) {
  if (service == Service::kStepNative) count(protocol::kCounter_native_steps);
  unblock_trap(ctx);
  ctx.service = static_cast<uint64_t>(service);
  return VSUP_ACTION_SERVICE;
}

uint64_t continuation(const ThreadContext& ctx) {
  if (watches_system_calls()) return reinterpret_cast<uint64_t>(&vsup_enter);
  LockGuard guard(engine_lock);
  uint32_t index = find_fragment(AppPc{ctx.app_pc});
  return index == kNoFragment || vsup_settings.link == 0 ? reinterpret_cast<uint64_t>(&vsup_enter)
                                                         : reinterpret_cast<uint64_t>(fragment_entry(index));
}

void set_entry_watch(int (*watch)(ThreadContext& ctx)) {
  entry_watch = watch;
}

bool watches_entries() {
  return entry_watch != nullptr;
}

void set_syscall_handler(const SyscallHandler& handler) {
  syscall_handler = handler;
}

}  // namespace vsup::agent

int vsup_dispatch(vsup::protocol::ThreadContext* context) {
  using namespace vsup::agent;
  ThreadContext& ctx = *context;
  count(vsup::protocol::kCounter_dispatches);
  if (ctx.branch_table_epoch != code_cache.epoch()) empty_branch_table(ctx);
  auto exit_id = static_cast<int64_t>(ctx.exit_id);
  switch (exit_id) {
    case VSUP_EXIT_DELIVER:
      if (!syscall_handler.deliver_signal(ctx)) {
        ctx.service = static_cast<uint64_t>(Service::kDeliver);
        return VSUP_ACTION_SERVICE;
      }
      [[fallthrough]];
    case VSUP_EXIT_ENTER:
      if (ctx.frame_pc_address != 0) syscall_handler.restore_frame(ctx);
      ignore_trap_again();
      ctx.service = static_cast<uint64_t>(Service::kNone);
      if (instrumenter() != nullptr && instrumenter()->entered != nullptr) {
        LockGuard guard(engine_lock);
        FaultGuard faults;
        instrumenter()->entered(ctx, static_cast<vsup::protocol::EntryReason>(ctx.entry_reason));
      }
      ctx.entry_reason = 0;
      if (ctx.service == static_cast<uint64_t>(Service::kFlush)) return request_service(ctx, Service::kFlush);
      return after_tool(ctx, resume(ctx, 0, false, false));
    case VSUP_EXIT_INDIRECT:
      return resume(ctx, 0, true, false);
    case VSUP_EXIT_AFTER_FORK:
      syscall_handler.after_fork();
      if (ctx.gpr[vsup::protocol::kRax] == 0) {
        ctx.tid = thread_id();
        ++vsup_state.generation;
        if (instrumenter() != nullptr) instrumenter()->forked(ctx);
      } else if (watches_system_calls()) {
        instrumenter()->system_call_ended(ctx);
      }
      return resume(ctx, 0, false, false);
    default:
      break;
  }
  auto link = static_cast<uint32_t>(exit_id);
  VS_CHECK(link < code_cache.link_count(), link, code_cache.link_count());
  const LinkRecord record = CodeCache::links()[link];
  ctx.app_pc = record.target();
  switch (record.kind()) {
    case LinkKind::kDirect:
      return resume(ctx, link, false, false);
    case LinkKind::kSyscall:
      return dispatch_syscall(ctx);
    case LinkKind::kRequest: {
      int action = client_request(ctx);
      return action == kDispatchAgain ? resume(ctx, 0, false, false) : action;
    }
    case LinkKind::kNative:
      return request_service(ctx, Service::kStepNative);
    case LinkKind::kX87: {
      {
        LockGuard guard(engine_lock);
        correct_x87_pointer(ctx, record.target());
      }
      ctx.app_pc = record.target() + record.site();
      return resume(ctx, 0, false, false);
    }
    case LinkKind::kTool: {
      LockGuard guard(engine_lock);
      FaultGuard faults;
      ctx.service = static_cast<uint64_t>(Service::kNone);
      ctx.next_cache_pc = vsup::protocol::kCacheBase + instrumenter()->exit_taken(ctx, record.target(), record.site());
      return after_tool(ctx, VSUP_ACTION_RESUME);
    }
    case LinkKind::kSide: {
      LockGuard guard(engine_lock);
      FaultGuard faults;
      follow_side_exit(ctx, record.site(), AppPc{record.target()});
      return VSUP_ACTION_RESUME;
    }
    case LinkKind::kStale:
      return resume(ctx, 0, false, true);
  }
  VS_CHECK(false, link);
  return VSUP_ACTION_SERVICE;
}

void vsup_reset_cache() {
  vsup::agent::code_cache.reset();
  vsup::agent::code_regions_reset();
  vsup::agent::count(vsup::protocol::kCounter_flushes);
}
