// Source: prlimit(2); RLIMIT_AS is 9 on x86-64, struct rlimit is soft and hard limit, ~0 for none.
#include "agent/os/address_limit.h"

#include "agent/base/entry_points.h"
#include "agent/base/syscall.h"

namespace vsup::agent {

namespace {

using protocol::ThreadContext;

constexpr uint32_t kGetrlimit = 97, kSetrlimit = 160, kPrlimit64 = 302;
constexpr uint64_t kRlimitAs = 9;
constexpr uint64_t kNoLimit = ~0ull;
constexpr int64_t kEFAULT = 14;

struct Limits {
  uint64_t soft, hard;
};

// The call in the terms of prlimit64.
struct Call {
  uint64_t resource;
  const void* fresh;
  void* old;
};

Call call_of(const ThreadContext& ctx) {
  uint64_t first = ctx.gpr[protocol::kRdi];
  auto* second = reinterpret_cast<void*>(ctx.gpr[protocol::kRsi]);
  switch (static_cast<uint32_t>(ctx.gpr[protocol::kRax])) {
    case kGetrlimit:
      return {first, nullptr, second};
    case kSetrlimit:
      return {first, second, nullptr};
    default:
      return {ctx.gpr[protocol::kRsi], reinterpret_cast<const void*>(ctx.gpr[protocol::kRdx]),
              reinterpret_cast<void*>(ctx.gpr[protocol::kR10])};
  }
}

uint64_t with_arena(uint64_t limit) {
  return limit >= kNoLimit - protocol::kArenaSize ? kNoLimit : limit + protocol::kArenaSize;
}

uint64_t without_arena(uint64_t limit) {
  if (limit == kNoLimit) return kNoLimit;
  return limit > protocol::kArenaSize ? limit - protocol::kArenaSize : 0;
}

}  // namespace

bool concerns_address_limit(const ThreadContext& ctx) {
  bool itself = static_cast<uint32_t>(ctx.gpr[protocol::kRax]) != kPrlimit64 || ctx.gpr[protocol::kRdi] == 0 ||
                static_cast<int64_t>(ctx.gpr[protocol::kRdi]) == raw_syscall(39, 0, 0, 0, 0);  // getpid
  return itself && static_cast<uint32_t>(call_of(ctx).resource) == kRlimitAs;
}

int64_t call_with_address_limit(const ThreadContext& ctx) {
  Call call = call_of(ctx);
  Limits fresh{}, old{};
  if (call.fresh != nullptr) {
    if (!vsup_safe_copy(&fresh, call.fresh, sizeof fresh)) return -kEFAULT;
    fresh = {with_arena(fresh.soft), with_arena(fresh.hard)};
  }
  int64_t result = raw_syscall(kPrlimit64, 0, kRlimitAs, call.fresh != nullptr ? reinterpret_cast<uint64_t>(&fresh) : 0,
                               reinterpret_cast<uint64_t>(&old));
  if (result != 0 || call.old == nullptr) return result;
  old = {without_arena(old.soft), without_arena(old.hard)};
  return vsup_safe_copy(call.old, &old, sizeof old) ? 0 : -kEFAULT;
}

}  // namespace vsup::agent
