// Purpose: the agent's stack capture in a process of ours: its memory, its unwind tables, its safe loads.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>

#include "agent/callstack/capture.h"
#include "agent/callstack/walk_cache.h"
#include "protocol/callstack.h"
#include "supervisor/symbols/stack_tables.h"

extern "C" const vsup::protocol::Fixup __start_vsup_fixups[], __stop_vsup_fixups[];
// capture_stack at the place of the call.
extern "C" uint32_t vsup_capture_here(unsigned depth);
extern "C" uint32_t vsup_capture_cached(unsigned depth, vsup::agent::WalkCache* cache);
extern "C" uint32_t vsup_capture_walked(unsigned depth, vsup::agent::WalkCache* cache);

namespace own_stack {

inline void mend_fault(int, siginfo_t*, void* context) {
  auto& pc = reinterpret_cast<greg_t*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs)[REG_RIP];
  for (const auto* fixup = __start_vsup_fixups; fixup != __stop_vsup_fixups; ++fixup) {
    if (reinterpret_cast<greg_t>(&fixup->instruction) + fixup->instruction != pc) continue;
    pc = reinterpret_cast<greg_t>(&fixup->target) + fixup->target;
    return;
  }
  signal(SIGSEGV, SIG_DFL);
}

inline bool map_memory() {
  static const bool mapped = [] {
    void* at = reinterpret_cast<void*>(vsup::protocol::kCallstackBase);
    return mmap(at, vsup::protocol::kCallstackSize, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == at;
  }();
  return mapped;
}

// Tables of everything that is mapped now.
inline bool update_tables() {
  static vsup::supervisor::UnwindTableCache cache;
  static vsup::supervisor::StackTables tables;
  return map_memory() && tables.update(getpid(), cache);
}

}  // namespace own_stack
