// Purpose: what the callgrind tool leaves in the process's memory for the supervisor: one table of blocks and one of
// call edges for all threads, and each thread's counts in its slot. Assumes: the supervisor reads while every thread of
// the process stands still. Promises: plain structures; indices are dense, from 0.
//
//   kToolBase  +0x0000'0000  Header
//              +0x0100'0000  BlockRecord[kMaxBlocks]
//              +0x0800'0000  uint8_t instruction lengths, all blocks' one after the other
//              +0x1000'0000  EdgeRecord[kMaxEdges]
//
//   thread slot  +0x10'0000  kAccumulators partial sums of Ir, one cache line each, then
//                              AgentState::generation when the slot was last cleared
//                +0x10'1000  uint64_t executions of block i
//                +0xd0'0000  uint64_t inclusive Ir of edge i
//                +0x110'0000 uint64_t calls of edge i (indirect ones; a direct call's count is its block's)
//                +0x150'0000 shadow stack, grows upwards to +0x1d0'0000
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::agent::callgrind {

inline constexpr uint64_t kToolBase = protocol::kToolBase;
inline constexpr uint64_t kBlocksAt = kToolBase + 0x0100'0000;
inline constexpr uint64_t kLengthsAt = kToolBase + 0x0800'0000;
inline constexpr uint64_t kEdgesAt = kToolBase + 0x1000'0000;

inline constexpr uint32_t kMaxBlocks = 1500u << 10;
inline constexpr uint32_t kMaxEdges = 512u << 10;
inline constexpr uint64_t kMaxLengths = 0x0800'0000;

inline constexpr unsigned kAccumulators = 4;
inline constexpr uint32_t kAccumulatorOffset = 0x10'0000;
inline constexpr uint32_t kGenerationOffset = kAccumulatorOffset + 64 * kAccumulators;
inline constexpr uint32_t kBlockCountOffset = 0x10'1000;
inline constexpr uint32_t kInclusiveOffset = 0xd0'0000;
inline constexpr uint32_t kCallsOffset = 0x110'0000;
inline constexpr uint32_t kShadowStackOffset = 0x150'0000;
inline constexpr uint32_t kShadowStackEnd = 0x1d0'0000;
static_assert(kBlockCountOffset + 8ull * kMaxBlocks <= kInclusiveOffset);
static_assert(kInclusiveOffset + 8ull * kMaxEdges <= kCallsOffset);
static_assert(kCallsOffset + 8ull * kMaxEdges <= kShadowStackOffset);
static_assert(kShadowStackEnd + 0x10'0000ull <= protocol::kSlotSize);

struct Header {
  uint64_t blocks;   // records in use
  uint64_t lengths;  // bytes in use
  uint64_t edges;
  uint64_t lost_blocks;  // translated after the table was full: not counted
};

struct BlockRecord {
  uint64_t app_pc;
  uint32_t lengths;  // offset of its first instruction's length
  uint16_t count;    // instructions
  uint16_t size;     // bytes
};
static_assert(sizeof(BlockRecord) == 16);

// A place that calls, or jumps into another function, and where it goes.
struct EdgeRecord {
  uint64_t site_pc;    // of the call or jump instruction
  uint64_t callee_pc;  // 0: of an indirect site's head record, which has no count
  uint64_t next;       // address of the next record of the same indirect site, 0 at the end
  uint32_t block;      // whose executions are the edge's calls, or kNoBlock: counted at kCallsOffset; of a head record:
                       // where in the cache the code after the look-up goes on
  uint32_t index;
};
static_assert(sizeof(EdgeRecord) == 32);
inline constexpr uint32_t kNoBlock = ~0u;

// Shadow stack entry.
struct Frame {
  uint64_t sp;    // stack pointer at the callee's entry: where the return address lies
  uint64_t ir;    // the thread's Ir before the callee's first instruction
  uint64_t edge;  // index
  uint64_t unused;
};
static_assert(sizeof(Frame) == 32);

}  // namespace vsup::agent::callgrind
