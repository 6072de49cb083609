// Purpose: what the callgrind tool leaves in the process's memory for the supervisor: one table of blocks and one of
// call edges for all threads, and each thread's counts in its slot. Assumes: the supervisor reads while every thread of
// the process stands still. Promises: plain structures; indices are dense, from 0.
//
//   kToolBase  +0x0000'0000  Header
//              +0x0080'0000  uint32_t buckets of callees, 1 << kCalleeBits
//              +0x0100'0000  BlockRecord[kMaxBlocks]
//              +0x0800'0000  uint8_t instruction lengths, all blocks' one after the other
//              +0x1000'0000  EdgeRecord[kMaxEdges]
//              +0x1800'0000  uint64_t blocks of procedure linkage tables that calls pass
//   with the calling-context tree (tree.h):
//              +0x2000'0000  NodeRecord[kMaxNodes], then the nodes' LookupTable
//              +0x2c00'0000  ContextRecord[kMaxContexts], then addresses of callers
//              +0x2f00'0000  uint32_t of each CounterRecord: by how much simulated counters of its block are moved
//              +0x3000'0000  CounterRecord[kMaxBlocks], then the counters' LookupTable
//   of stacks that a thread has left, or runs on beside its first (stacks.h):
//              +0x3800'0000  StackRecord[kMaxStacks]
//              +0x4000'0000  their shadow stacks, kStackSize each
//
//   thread slot  +0x10'0000  kAccumulators partial sums of Ir, one cache line each, then
//                              AgentState::generation when the slot was last cleared, and the StackRecord in use
//                +0x10'1000  uint64_t executions of block i
//                +0xd0'0000  uint64_t inclusive Ir of edge i
//                +0x110'0000 uint64_t calls of edge i (indirect ones; a direct call's count is its block's)
//                +0x150'0000 shadow stack, grows upwards to +0x1d0'0000
//   with the tree, instead of the edges' numbers:
//                +0x1d0'0000 uint64_t inclusive Ir of node i
//                +0x2d0'0000 uint64_t calls of node i
//   of blocks that the thread has left in the middle:
//                +0x3d0'0000 CutRecord[kMaxCuts]
//   with simulation (cachesim/records.h, whose tables come behind these):
//                +0x1880'0000 rows of edges or nodes: uint64_t inclusive cost in each of simulated_events()
#pragma once

#include "agent/tools/cachesim/records.h"
#include "protocol/agent_boot.h"

namespace vsup::agent::callgrind {

inline constexpr uint64_t kToolBase = protocol::kToolBase;
inline constexpr uint64_t kBlocksAt = kToolBase + 0x0100'0000;
inline constexpr uint64_t kLengthsAt = kToolBase + 0x0800'0000;
inline constexpr uint64_t kEdgesAt = kToolBase + 0x1000'0000;

inline constexpr uint32_t kMaxBlocks = 1500u << 10;
inline constexpr uint32_t kMaxEdges = 512u << 10;
inline constexpr uint64_t kMaxLengths = 0x0800'0000;
inline constexpr uint64_t kPassedAt = kToolBase + 0x1800'0000;
inline constexpr uint32_t kMaxPassed = 3 * kMaxEdges, kPassedBits = 26;

inline constexpr unsigned kAccumulators = 2;
inline constexpr uint32_t kAccumulatorOffset = 0x10'0000;
// Of the one that a block adds to, by the block's number.
constexpr uint32_t accumulator_offset(uint32_t block) {
  return kAccumulatorOffset + 64 * (block % kAccumulators);
}
inline constexpr uint32_t kGenerationOffset = kAccumulatorOffset + 64 * kAccumulators;
inline constexpr uint32_t kCollectOffset = kGenerationOffset + 16;  // all ones while the thread collects, else 0
inline constexpr uint32_t kBudgetOffset = kGenerationOffset + 32;   // blocks until the next dump
// All ones where the thread begins or ends to collect as soon as it has passed the linkage table's entry ahead of it.
inline constexpr uint32_t kToggleDueOffset = kGenerationOffset + 48;
inline constexpr uint32_t kActiveOffset = kAccumulatorOffset + 0x400;  // a bit for each FunctionRecord: it was entered
inline constexpr uint32_t kStackIndexOffset = kGenerationOffset + 8;   // which StackRecord the thread runs on
inline constexpr uint32_t kBlockCountOffset = 0x10'1000;
inline constexpr uint32_t kInclusiveOffset = 0xd0'0000;
inline constexpr uint32_t kCallsOffset = 0x110'0000;
inline constexpr uint32_t kShadowStackOffset = 0x150'0000;
inline constexpr uint32_t kShadowStackEnd = 0x1d0'0000;
static_assert(kBlockCountOffset + 8ull * kMaxBlocks <= kInclusiveOffset);
static_assert(kInclusiveOffset + 8ull * kMaxEdges <= kCallsOffset);
static_assert(kCallsOffset + 8ull * kMaxEdges <= kShadowStackOffset);

inline constexpr uint32_t kMaxNodes = 2u << 20;
inline constexpr uint32_t kMaxContexts = 384u << 10;
inline constexpr uint32_t kMaxCallers = 4u << 20;
inline constexpr uint32_t kNodeInclusiveOffset = kShadowStackEnd;
inline constexpr uint32_t kNodeCallsOffset = kNodeInclusiveOffset + 8 * kMaxNodes;

// A block is counted as a whole, and its thread may be taken elsewhere in the middle of it: by a signal, a fault, a
// switch off. The supervisor counts then what was not executed. A hash table, open addressing with linear probing, that
// it alone writes.
struct CutRecord {
  uint64_t place;    // of kTail and kHead: block | instructions executed << 32; of kOne: the instruction's app pc
  uint64_t count;    // 0: the record is not in use
  uint32_t kind;     // CutKind
  uint32_t context;  // of the costs
};
static_assert(sizeof(CutRecord) == 24);
enum CutKind : uint32_t {
  kCutTail,  // the block's instructions from there on were counted, and not executed
  kCutHead,  // those before were executed, and not counted
  kCutOne,   // one instruction at the end of some block was counted, and not executed
};
inline constexpr uint32_t kCutsOffset = kNodeCallsOffset + 8 * kMaxNodes;
inline constexpr uint32_t kMaxCuts = 128u << 10;
inline constexpr uint32_t kCutCountOffset = kGenerationOffset + 40;  // records in use
static_assert(kCutsOffset + sizeof(CutRecord) * kMaxCuts <= cachesim::kStateOffset);

// Rows of event costs. When a function is entered the thread's totals are subtracted from its edge's or node's row, and
// added when it is left: no frame has to keep them. What is open on the stack the thread runs on, which ends at the
// word at kEventTopOffset, is missing its totals; a parked stack's is not.
inline constexpr uint32_t kEventTopOffset = kAccumulatorOffset + 0xc00;  // ThreadContext::tool_stack
inline constexpr uint32_t kMovedOffset = kEventTopOffset + 8;            // with contexts: of the block that is executed
inline constexpr uint32_t kEventRowsOffset = cachesim::kSimulationEnd;
inline constexpr uint32_t kEventRowsSize = 0x660'0000;
static_assert(kEventRowsOffset + kEventRowsSize + 0x10'0000ull <= protocol::kSlotSize);
// Of how many edges or nodes there are rows; the nodes behind them have none.
constexpr uint64_t event_rows(unsigned events) {
  return events == 0 ? 0 : kEventRowsSize / (8 * events);
}
static_assert(event_rows(cachesim::kEventCount) >= kMaxEdges);

// A table from pairs of numbers to values, open addressing with linear probing; entries are only ever added, and code
// in the cache searches it without a lock. No entry lies more than kLookupSpare behind its hash's place.
struct LookupEntry {
  uint64_t key;  // first | (second + 1) << 32; 0: empty
  uint64_t value;
};
inline constexpr uint32_t kLookupBits = 22;
inline constexpr uint32_t kLookupSpare = 4096;
inline constexpr uint64_t kLookupSize = sizeof(LookupEntry) * ((1ull << kLookupBits) + kLookupSpare);
inline constexpr uint32_t kLookupFactorFirst = 0x9e3779b1, kLookupFactorSecond = 0x85ebca6b;  // odd, bits well mixed

// The first EdgeRecord of each bucket, as an offset from kToolBase, 0: none. The callees that indirect sites have met
// lie there, but for the first of each site, which its head record has. Code in the cache searches them without a lock.
inline constexpr uint32_t kCalleeBits = 16;
inline constexpr uint64_t kCalleesAt = kToolBase + 0x0080'0000;
constexpr uint32_t callee_bucket(uint64_t target, uint32_t head) {
  return (static_cast<uint32_t>(target) * kLookupFactorFirst + head * kLookupFactorSecond) >> (32 - kCalleeBits);
}

inline constexpr uint32_t kMaxStacks = 8192;
inline constexpr uint64_t kStackSize = 0x4'0000;
inline constexpr uint64_t kStackRecordsAt = kToolBase + 0x3800'0000;
inline constexpr uint64_t kStacksAt = kToolBase + 0x4000'0000;
// Functions that options name, sorted by address, with what is to be done at their entry and end and how their costs
// are told apart. Filled by the supervisor as modules are mapped, before the agent translates their code.
enum FunctionFlags : uint32_t {
  kFunctionToggles = 1,
  kFunctionSkipped = 2,  // its costs are its caller's, at the call
  kFunctionDumpsBefore = 4,
  kFunctionDumpsAfter = 8,
  kFunctionZeroes = 16,
  kFunctionLeftOpen = 32,  // set by the agent: a thread ended in it, with kFunctionDumpsAfter
  kFunctionActs = kFunctionToggles | kFunctionDumpsBefore | kFunctionDumpsAfter | kFunctionZeroes,
};
inline constexpr uint16_t kAsAll = 0xffff;
struct FunctionRecord {
  uint64_t pc;
  uint32_t flags;
  uint32_t number;            // its bit at kActiveOffset
  uint16_t separate_callers;  // kAsAll: the options' for all functions
  uint16_t separate_recs;
  uint32_t group;  // 0: none
};
static_assert(sizeof(FunctionRecord) == 24);
inline constexpr uint32_t kMaxFunctions = 16384;
inline constexpr uint64_t kFunctionsAt = kToolBase + 0x00f0'0000;
static_assert(kActiveOffset + kMaxFunctions / 8 <= kEventTopOffset && kMovedOffset + 8 <= kBlockCountOffset &&
              kStackIndexOffset < kActiveOffset);
static_assert(kCalleesAt + (4ull << kCalleeBits) <= kFunctionsAt);
static_assert(kFunctionsAt + kMaxFunctions * sizeof(FunctionRecord) <= kBlocksAt);
static_assert(kStacksAt + kMaxStacks * kStackSize <= cachesim::kInstrsAt);

inline constexpr uint64_t kNodesAt = kToolBase + 0x2000'0000;
inline constexpr uint64_t kNodeLookupAt = kToolBase + 0x2600'0000;
inline constexpr uint64_t kContextsAt = kToolBase + 0x2c00'0000;
inline constexpr uint64_t kCallersAt = kToolBase + 0x2d00'0000;
inline constexpr uint64_t kMovedAt = kToolBase + 0x2f00'0000;
inline constexpr uint64_t kCountersAt = kToolBase + 0x3000'0000;
inline constexpr uint64_t kCounterLookupAt = kToolBase + 0x3100'0000;
static_assert(kNodeLookupAt + kLookupSize <= kContextsAt);
static_assert(kCallersAt + 8ull * kMaxCallers <= kMovedAt && kMovedAt + 4ull * kMaxBlocks <= kCountersAt);
static_assert(kCountersAt + 8ull * kMaxBlocks <= kCounterLookupAt);

struct Header {
  uint64_t blocks;   // records in use
  uint64_t lengths;  // bytes in use
  uint64_t edges;
  uint64_t passed;       // entries at kPassedAt
  uint64_t lost_blocks;  // translated after a table was full: not counted
  uint64_t lost_sites;   // of calls and jumps, and callees of theirs: likewise
  uint64_t nodes;        // 0: there is no tree; node 0 is its root
  uint64_t contexts;     // 0 is the plain one
  uint64_t callers;
  uint64_t counters;  // 0: executions are counted by block, else by CounterRecord
  uint64_t stacks;
  uint64_t functions;
  uint64_t switches;  // 1: collection is switched, by options or by request; set by either side, never taken back
};

// What the agent asks its half in the supervisor (Service::kToolRequest) by bits; the argument is a function's address.
enum ToolRequest : uint64_t { kAskDumpBefore = 1, kAskDumpAfter = 2, kAskZero = 4, kAskDumpEvery = 8 };

// Indices of AgentSettings::tool_options.
enum Option : unsigned {
  kOptionTree,             // 1: keep the calling-context tree
  kOptionSeparateCallers,  // callers that tell costs of a function apart
  kOptionSeparateRecs,     // recursion levels that do; 0 and 1: none
  kOptionSkipPlt,          // 1: a call through a procedure linkage table is a call of where it leads
  kOptionJumps,            // 1: count jumps within functions
  kOptionCollect,          // 1: collection is switched by functions; blocks look at kCollectOffset
  kOptionCollectAtStart,   // 0: with the former, threads begin without
  kOptionContexts,         // 1: functions that options name are told apart, skipped or grouped
  kOptionActs,             // 1: something is to be done at calls and ends of functions that options name
  kOptionEveryBlocks,      // dump after so many blocks of a thread, 0: never
  kOptionSkipDirectRec,    // 1: a function that calls itself is on no further level
};

// The part of a block up to a conditional jump in its middle, by which it was left, is a record of its own somewhere
// behind the block's, with the same lengths: executions of the block contain its.
struct BlockRecord {
  uint64_t app_pc;
  uint32_t lengths;     // offset of its first instruction's length; no two blocks have the same
  uint16_t count;       // instructions
  uint16_t size : 12;   // bytes of the whole block
  uint16_t passed : 3;  // conditional jumps in its middle
  uint16_t is_part : 1;
};
static_assert(sizeof(BlockRecord) == 16);

enum class EdgeKind : uint32_t {
  kCall,             // also a jump into another function
  kJump,             // within a function: executed as often as its block, or counted at kCallsOffset
  kConditionalJump,  // executed as often as `block`; counted at kCallsOffset when followed
};

// A place that calls or jumps, and where it goes. An indirect site has a head record, which is no edge but may know the
// first callee, and a record for each callee. A call through a linkage table whose slot is bound when it is translated
// has a record of that callee, which is the head of further ones, too.
struct EdgeRecord {
  uint64_t site_pc;   // of the call or jump instruction
  uint64_t match_pc;  // where the site's indirect branch leads, which may be a table entry on the way; of a head record
                      // the first such place that was met, whose index it then has
  uint64_t callee_pc;  // 0: of an indirect site's head record, which has no count
  uint32_t next;       // offset from kToolBase of the next record in the same bucket of kCalleesAt, 0 at the end; of a
                       // head record: offset from kCacheBase of the rel32 by which code leaves for other callees than
                       // the first, or kSearches
  uint32_t block;      // whose executions are the edge's calls; else they are counted at kCallsOffset: kNoBlock, or
                       // kGoesOn and where in the cache the site's code after the look-up goes on
  uint32_t index;
  uint32_t blocks;                // records of blocks there were when the edge was met
  uint32_t head;                  // of an indirect site: number of its head record, also of that itself
  uint32_t passed : kPassedBits;  // first entry at kPassedAt: table blocks on the way, whose cost is the caller's
  uint32_t passed_count : 2;
  EdgeKind kind : 4;
};
static_assert(sizeof(EdgeRecord) == 48 && kMaxPassed < 1u << kPassedBits);
static_assert(kEdgesAt + sizeof(EdgeRecord) * kMaxEdges <= kPassedAt && kPassedAt + 8ull * kMaxPassed <= kNodesAt);
inline constexpr uint32_t kSearches = 1;  // that rel32 leads to code which looks into the bucket
inline constexpr uint32_t kGoesOn = 1u << 31, kNoBlock = ~0u;
static_assert(kMaxBlocks <= kGoesOn && protocol::kCacheHotSize + protocol::kColdSize <= kGoesOn);

// A function where it was called: a way from the thread's first function to it.
struct NodeRecord {
  uint32_t parent;
  uint32_t edge;     // by which the parent's function calls it; of the root nothing
  uint32_t context;  // of its blocks
  uint32_t shown;  // the node as whose function it counts: its own, the caller's of a skipped function, the first of a
                   // group or of a function that calls itself
};
static_assert(sizeof(NodeRecord) == 16);

// What tells costs of one function apart.
struct ContextRecord {
  uint32_t recursion;                   // level of the function, from 1
  uint32_t first_caller, caller_count;  // nearest first
  uint32_t next;                        // agent private
  uint64_t function;                    // whose costs they are, or 0: the code's own
  uint64_t site;                        // of a skipped function: where it was called, else 0
  uint32_t caller;                      // likewise: the context there, which is not a skipped function's
  uint32_t unused;
};
static_assert(sizeof(ContextRecord) == 40);
static_assert(kContextsAt + kMaxContexts * sizeof(ContextRecord) <= kCallersAt);

// A block in a context, whose executions the threads count at kBlockCountOffset.
struct CounterRecord {
  uint32_t block, context;
};

// A shadow stack that lies beside the threads' own.
enum class StackState : uint32_t { kFree, kRunning, kParked };
struct StackRecord {
  StackState state;
  uint32_t interrupted;  // of a signal handler: index + 1 of the stack that it interrupted, or 0
  uint64_t owner;        // the slot of the thread that runs on it, or did last
  uint64_t bottom, end;  // where it lies
  uint64_t top;          // parked: ThreadContext::tool_stack; its frames' Ir is relative to the moment
  uint64_t handler_sp;   // of a signal handler: its stack pointer when it began
};

// In Frame::sp: of a function that options name, of a recursion its outermost call.
inline constexpr uint64_t kFlaggedFrame = 1;

// Shadow stack entry.
struct Frame {
  uint64_t sp;       // stack pointer at the callee's entry: where the return address lies; bit 0 set: the tool looks at
                     // its end
  uint64_t ir;       // the thread's Ir before the callee's first instruction
  uint32_t cost;     // index of the edge or, with the tree, of the node whose cost it is
  uint32_t context;  // with the tree: the node's
  uint64_t unused;
};
static_assert(sizeof(Frame) == 32);

}  // namespace vsup::agent::callgrind
