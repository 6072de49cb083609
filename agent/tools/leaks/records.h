// Purpose: what the leaks tool leaves in the process's memory for the supervisor, beside the heap layer's index of live
// blocks (protocol/heap.h): sums, and where the program began to end. Assumes: the supervisor reads while every thread
// of the process stands still.
//
//   kToolBase  Header
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::leaks {

inline constexpr uint64_t kToolBase = protocol::kToolBase;

// AgentSettings::tool_options.
enum Option : unsigned {
  kOptionDepth,     // frames to capture
  kOptionFreeLibc,  // 1: --run-libc-freeres=yes
  kOptionFreeCxx,   // 1: --run-cxx-freeres=yes
};

// Whether the libraries were made to free what they keep for themselves.
enum CleanUp : uint64_t { kNoCleanUp, kCleanUpDone, kCleanUpUnsafe };

// The process's last function was entered; the supervisor has seen the process as it was before the clean-up.
enum Leaving : uint64_t { kNotLeaving, kLeaving, kLeft };

struct Header {
  uint64_t allocations, frees;  // a realloc is one of each
  uint64_t allocated_bytes;
  uint64_t exit_sp;   // rsp at the entry of exit, 0: not called
  uint64_t exit_tid;  // the thread that called it
  uint64_t leaving;   // Leaving
  uint64_t clean_up;  // CleanUp
};

}  // namespace vsup::agent::leaks
