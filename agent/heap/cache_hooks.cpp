#include "agent/heap/cache_hooks.h"

#include "agent/base/entry_points.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/syscall_handler.h"
#include "agent/heap/heap_events.h"
#include "agent/heap/heap_thread.h"
#include "agent/heap/hook_frame.h"

#pragma GCC visibility push(hidden)
extern "C" {
void vsup_hook();
void vsup_hook_return();
uint64_t vsup_heap_before(void* frame);
void vsup_heap_after(void* frame);
}
#pragma GCC visibility pop

namespace vsup::agent {

namespace {

using namespace protocol;

constexpr uint64_t kFrameWords = VSUP_HOOK_FRAME / 8;
// Instructions on the way to a hooked function that are none of the app's: the jump in its place, the island's two, the
// jump back; of a pointer the island's.
constexpr unsigned kWayInstructions = 4, kPointerWayInstructions = 2;

// Below the frame lies the return address of the function's call.
struct StackImage {
  uint64_t return_address;
  uint64_t frame[kFrameWords];
};

uint64_t& word(StackImage& image, unsigned offset) {
  return image.frame[offset / 8];
}

void* at(uint64_t address) {
  return reinterpret_cast<void*>(address);
}

bool is_site(uint64_t address) {
  return address >= kHookSitesBase && address < kHookSitesBase + uint64_t{kMaxHooks} * kHookSiteStride &&
         (address - kHookSitesBase) % kHookSiteStride == 0;
}

// Pointers that stay behind would look like the app's own.
void forget(StackImage& image) {
  image.return_address = 0;
  constexpr unsigned kForgotten[] = {VSUP_HOOK_RDI, VSUP_HOOK_SITE, VSUP_HOOK_THREAD, VSUP_HOOK_RESULT,
                                     VSUP_HOOK_FORMER};
  for (unsigned offset : kForgotten) word(image, offset) = 0;
}

void tell_tool(ThreadContext& ctx, unsigned own_instructions) {
  if (heap_events().in_cache != nullptr) heap_events().in_cache(ctx, own_instructions);
}

// At the entry of a hooked function, r11 is its HookSite.
int enter_function(ThreadContext& ctx) {
  if (!is_site(ctx.gpr[kR11])) return kNotWatched;
  const auto& site = *reinterpret_cast<const HookSite*>(ctx.gpr[kR11]);
  ctx.app_pc = ctx.gpr[kR11] = site.trampoline;
  tell_tool(ctx, site.is_pointer != 0 ? kPointerWayInstructions : kWayInstructions);
  // The system call of a fork holds the locks; that of an exec tells the supervisor.
  if (site.function == HeapFunction::kFork || site.function == HeapFunction::kExec ||
      site.function == HeapFunction::kSystemCall)
    return kDispatchAgain;
  uint64_t place = ctx.gpr[kRsp] - sizeof(StackImage);
  StackImage image{};
  image.return_address = reinterpret_cast<uint64_t>(&vsup_hook_return);
  word(image, VSUP_HOOK_RDI) = ctx.gpr[kRdi];
  word(image, VSUP_HOOK_RSI) = ctx.gpr[kRsi];
  word(image, VSUP_HOOK_RDX) = ctx.gpr[kRdx];
  word(image, VSUP_HOOK_RCX) = ctx.gpr[kRcx];
  word(image, VSUP_HOOK_R8) = ctx.gpr[kR8];
  word(image, VSUP_HOOK_R9) = ctx.gpr[kR9];
  word(image, VSUP_HOOK_RBP) = ctx.gpr[kRbp];
  word(image, VSUP_HOOK_SITE) = reinterpret_cast<uint64_t>(&site);
  word(image, VSUP_HOOK_THREAD) = reinterpret_cast<uint64_t>(&heap_thread());
  // Without room the function itself overflows the stack.
  if (!vsup_safe_copy(at(place), &image, sizeof image)) return kDispatchAgain;
  auto& placed = *reinterpret_cast<StackImage*>(place);
  if (vsup_heap_before(placed.frame) != 0) {
    ctx.gpr[kRsp] = place;
  } else {
    forget(placed);
  }
  return kDispatchAgain;
}

// A hooked function has returned to the frame.
int leave_function(ThreadContext& ctx) {
  uint64_t place = ctx.gpr[kRsp] - sizeof(uint64_t);
  StackImage image{};
  uint64_t caller = 0;
  if (!vsup_safe_copy(&image, at(place), sizeof image) ||
      !vsup_safe_copy(&caller, at(place + sizeof image), sizeof caller) || !is_site(word(image, VSUP_HOOK_SITE)) ||
      word(image, VSUP_HOOK_THREAD) != reinterpret_cast<uint64_t>(&heap_thread()))
    return kNotWatched;
  auto& placed = *reinterpret_cast<StackImage*>(place);
  word(placed, VSUP_HOOK_RESULT) = ctx.gpr[kRax];
  tell_tool(ctx, 0);
  vsup_heap_after(placed.frame);
  forget(placed);
  ctx.gpr[kRsp] = place + sizeof image + sizeof caller;
  ctx.app_pc = caller;
  return kDispatchAgain;
}

int watch(ThreadContext& ctx) {
  if (ctx.app_pc == reinterpret_cast<uint64_t>(&vsup_hook)) return enter_function(ctx);
  if (ctx.app_pc == reinterpret_cast<uint64_t>(&vsup_hook_return)) return leave_function(ctx);
  uint64_t loader = reinterpret_cast<const HeapControl*>(kHeapLayerBase)->loader_breakpoint;
  if (loader == 0 || ctx.app_pc != loader) return kNotWatched;
  return request_service(ctx, Service::kStepNative);
}

void before_fork() {
  chunk_lock_all();
  heap_events().before_fork();
}

void after_fork() {
  heap_events().after_fork();
  chunk_unlock_all();
}

}  // namespace

void install_cache_hooks() {
  set_entry_watch(watch);
  set_fork_guard({.before = before_fork, .after = after_fork});
}

}  // namespace vsup::agent
