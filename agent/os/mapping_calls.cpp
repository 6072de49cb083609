// Source of the numbers and arguments: arch/x86/entry/syscalls/syscall_64.tbl; man 2 mmap, mremap, brk.
#include "agent/os/mapping_calls.h"

#include "agent/base/syscall.h"

namespace vsup::agent {

namespace {

using protocol::ThreadContext;

constexpr uint64_t kMmap = 9, kMunmap = 11, kBrk = 12, kMremap = 25;
constexpr uint64_t kDontUnmap = 4;  // of mremap

uint64_t to_page(uint64_t value) {
  return (value + 4095) & ~uint64_t{4095};
}

int64_t make(const ThreadContext& ctx) {
  int64_t result;
  register uint64_t r10 asm("r10") = ctx.gpr[protocol::kR10];
  register uint64_t r8 asm("r8") = ctx.gpr[protocol::kR8];
  register uint64_t r9 asm("r9") = ctx.gpr[protocol::kR9];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(ctx.gpr[protocol::kRax]), "D"(ctx.gpr[protocol::kRdi]), "S"(ctx.gpr[protocol::kRsi]),
                 "d"(ctx.gpr[protocol::kRdx]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace

int64_t watched_mapping_call(const ThreadContext& ctx, const MappingWatch& watch) {
  const uint64_t number = ctx.gpr[protocol::kRax] & 0xffff'ffff;
  const uint64_t first = ctx.gpr[protocol::kRdi], second = ctx.gpr[protocol::kRsi], third = ctx.gpr[protocol::kRdx];
  const uint64_t former_break = number == kBrk ? static_cast<uint64_t>(raw_syscall(kBrk, 0, 0, 0, 0)) : 0;
  const int64_t result = make(ctx);
  const auto place = static_cast<uint64_t>(result);
  if (result < 0 && result >= -4095) return result;
  if (number == kMmap) watch.mapped(ctx, place, to_page(second));
  if (number == kMunmap) watch.unmapped(first, to_page(second));
  if (number == kBrk) {
    const uint64_t from = to_page(former_break), to = to_page(place);
    if (to > from) watch.mapped(ctx, from, to - from);
    if (to < from) watch.unmapped(to, from - to);
  }
  if (number == kMremap) {
    const uint64_t former = to_page(second), fresh = to_page(third);
    const bool stays = place == first;
    if (stays && fresh > former) watch.mapped(ctx, place + former, fresh - former);
    if (stays && fresh < former) watch.unmapped(place + fresh, former - fresh);
    if (!stays) {
      if ((ctx.gpr[protocol::kR10] & kDontUnmap) == 0) watch.unmapped(first, former);
      watch.mapped(ctx, place, fresh);
    }
  }
  return result;
}

}  // namespace vsup::agent
