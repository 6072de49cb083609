// Purpose: what the dhat tool leaves in the process's memory for the supervisor: for each stack what was allocated by
// it in all, now, at most, and when the heap was fullest. Assumes: the supervisor reads while every thread of the
// process stands still. Promises: plain structures; a process that is killed leaves them complete.
//
//   kToolBase  +0x0000'0000  Header
//              +0x0000'1000  Site of stack i
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::dhat {

inline constexpr uint64_t kToolBase = protocol::kToolBase;
inline constexpr uint64_t kSitesAt = kToolBase + 0x1000;

// AgentSettings::tool_options.
enum Option : unsigned {
  kOptionDepth,           // frames to capture
  kOptionTicksPerSecond,  // of the time stamp counter
};

// Times are microseconds since the start. A block's life is its death less its birth, or the present less its birth:
// sums of births and of deaths tell the sum of lives, so that no block needs a birth of its own. They count modulo
// 2^64.
struct Site {
  uint64_t total_bytes, total_blocks;
  uint64_t births, deaths;
  uint64_t live_bytes, live_blocks;
  uint64_t max_bytes, max_blocks;  // blocks: when the bytes were most
  uint64_t peak_bytes,
      peak_blocks;  // when the heap was fullest, if `peak` is Header::peak; else they are the live ones
  uint64_t peak;
};
static_assert(sizeof(Site) == 88);
inline constexpr uint32_t kMaxSites = (protocol::kToolSize - 0x1000) / sizeof(Site);

struct Header {
  uint64_t heap_bytes, heap_blocks;  // now
  uint64_t max_bytes;                // of the heap
  uint64_t peak;                     // number of the moment when it held them, counted from 1
  uint64_t peak_time;
  uint64_t start_ticks;
  uint64_t site_limit;  // ids of stacks that have a Site are below
  uint64_t left_out;    // blocks of stacks with too large an id
};
static_assert(sizeof(Header) <= 0x1000);

}  // namespace vsup::agent::dhat
