// Purpose: what the agent's heap layer and the supervisor share in the tracee's memory: hooks of allocation functions,
// the threads inside them, the index of live blocks.
// Assumes: both sides built from one tree. Promises: plain structures at fixed addresses in the agent arena. It is
// ordinary private memory of the tracee: a fork copies it, and it can be read until the address space is gone.
//
//   kHeapLayerBase  +0x0000'0000  HeapControl                                     (one page)
//                   +0x0010'0000  HookSite[kMaxHooks]                             (1 MiB)
//                   +0x0020'0000  NamedCode[kMaxNamedCode]                        (96 KiB)
//                   +0x0100'0000  thread pointers of the records below            (512 KiB)
//                   +0x0200'0000  HeapThread[kMaxHeapThreads]                     (4 MiB)
//                   +0x2000'0000  chunk index: bucket heads, 8 MiB a shard        (512 MiB)
//                   +0x4000'0000  chunk index: nodes                              (3 GiB)
//                   +0x1'4000'0000 stacks of the threads' agent code, 32 KiB each (2 GiB)
//                   +0x1'c000'0000 the threads' last walks, 80 KiB each           (5 GiB)
//                   +0x3'0000'0000 chunk index: region of each MiB of addresses   (512 MiB)
//                   +0x3'2000'0000 chunk index: pages of the regions' places      (8 MiB)
//                   +0x3'2100'0000 chunk index: the regions' numbers              (128 KiB)
//                   +0x3'4000'0000 chunk index: places, 256 KiB a region          (8 GiB)
//
// A hook: the function's entry is overwritten by a jump to an island, a page of its own within reach.
//
//   function:   jmp rel32 ──> island:  mov r11, HookSite ; jmp [r11 + stub] ──> agent: hook_entry.S
//   function+n: <rest>  <───  island+16: the displaced instructions, relocated ; jmp function+n
//
// Where a program calls an allocation function by a pointer of its own, the pointer can be hooked: it then leads to the
// island, and the function itself is what the hook goes on with.
#pragma once

#include "protocol/agent_boot.h"

namespace vsup::protocol {

// What a hooked function does, and with that where its arguments are.
enum class HeapFunction : uint32_t {
  kMalloc,         // (size)
  kCalloc,         // (count, size)
  kRealloc,        // (block, size)
  kReallocArray,   // (block, count, size)
  kMemalign,       // (alignment, size)
  kPosixMemalign,  // (&block, alignment, size), returns an error number
  kValloc,         // (size), at the start of a page
  kPvalloc,        // (size), rounded up to pages
  kNew,            // (size); throws
  kNewNothrow,     // (size, std::nothrow)
  kNewAligned,     // (size, alignment); throws
  kNewAlignedNothrow,
  kNewArray,  // (size); throws
  kNewArrayNothrow,
  kNewArrayAligned,  // (size, alignment); throws
  kNewArrayAlignedNothrow,
  kFree,         // (block)
  kDelete,       // (block)
  kDeleteArray,  // (block)
  kFork,         // (), the layer's locks are held inside
  kFindFrame,    // (pc, &bases), returns a frame description entry
  // A Python allocator's, the first argument is its own: (ctx, size), (ctx, count, size), (ctx, block, size), (ctx,
  // block)
  kPythonMalloc,
  kPythonCalloc,
  kPythonRealloc,
  kPythonFree,
  kExit,              // (status): handlers run, then kLeave
  kLeave,             // (status): the process ends
  kFreeResources,     // (): the C library frees what it keeps for itself; never called by programs
  kFreeCxxResources,  // (): the same of the C++ library
  kExec,              // (...): another program is about to take the place of this one, with all that is in its memory
  kSystemCall,        // (number, ...): the same, if the number says so
  kSignalAction,      // (signal, action, ...): a fault may get a handler
  kProcessControl,    // (option, ...): system calls may become filtered
  kSeccomp,           // (...): they do
};

// What is done about Python's own allocator.
enum PythonMalloc : uint32_t {
  kPythonMallocTrack,   // its blocks are blocks
  kPythonMallocRaw,     // the arenas that it cuts blocks from are blocks
  kPythonMallocIgnore,  // neither: what it takes from malloc alone
};

inline constexpr uint64_t kHookSitesBase = kHeapLayerBase + 0x10'0000;
inline constexpr uint32_t kMaxHooks = 4096;
// A function that the tool wants to know when it is in a stack.
struct NamedCode {
  uint64_t start, end;
  uint64_t kind;  // NamedKind
};
enum NamedKind : uint64_t {
  kNamedAllocator,  // its callers are what allocates
  kNamedIgnored,    // what it allocates does not count
};
inline constexpr uint64_t kNamedCodeBase = kHeapLayerBase + 0x20'0000;
inline constexpr uint32_t kMaxNamedCode = 4096;
inline constexpr uint64_t kHeapThreadKeysBase = kHeapLayerBase + 0x100'0000;
inline constexpr uint64_t kHeapThreadsBase = kHeapLayerBase + 0x200'0000;
inline constexpr uint32_t kMaxHeapThreads = 65536;
inline constexpr uint64_t kHeapStacksBase = kHeapLayerBase + 0x1'4000'0000;
inline constexpr uint64_t kHeapStackSize = 0x8000;
inline constexpr uint64_t kWalkCachesBase = kHeapLayerBase + 0x1'c000'0000;
inline constexpr uint64_t kWalkCacheSize = 0x1'4000;
static_assert(kHeapStacksBase + kMaxHeapThreads * kHeapStackSize <= kWalkCachesBase);
static_assert(kWalkCachesBase + kMaxHeapThreads * kWalkCacheSize <= kHeapLayerBase + kHeapLayerSize);
inline constexpr uint64_t kRegionsBase = kHeapLayerBase + 0x3'0000'0000;
inline constexpr uint64_t kPlacePagesBase = kHeapLayerBase + 0x3'2000'0000;
inline constexpr uint64_t kRegionNumbersBase = kHeapLayerBase + 0x3'2100'0000;
inline constexpr uint64_t kPlacesBase = kHeapLayerBase + 0x3'4000'0000;
inline constexpr uint64_t kChunkHeadsBase = kHeapLayerBase + 0x2000'0000;
inline constexpr uint64_t kChunkNodesBase = kHeapLayerBase + 0x4000'0000;

// Answered by Exports::place_hooks.
enum HookStatus : uint32_t {
  kHookWanted,     // by the supervisor: `function`, `address`, `size`, `island` are set
  kHookMade,       // `code` goes to the island, `patch` to the function
  kHookTooShort,   // no room for a jump
  kHookImmovable,  // an instruction at its start cannot be moved
  kHookEntered,    // its own code jumps into what a jump would overwrite
  kHookGone,       // by the supervisor: its module has been unloaded
};

inline constexpr unsigned kMaxHookCode = 112;
inline constexpr unsigned kIslandSlot = 128;  // bytes of an island for each hook
inline constexpr unsigned kTrampolineOffset = 16;

struct HookSite {
  uint64_t trampoline;  // where the function goes on
  uint64_t stub;        // of the agent: where the island leads
  uint64_t address;     // of the function, or of the pointer to it
  uint64_t size;        // of the function in bytes, 0: not known
  uint64_t island;      // of this hook's code
  HeapFunction function;
  uint32_t status;
  uint8_t patch_size;  // displaced bytes, at least kJumpSize
  uint8_t code_size;
  uint8_t move_count;
  uint8_t is_pointer;  // 1: `address` is a pointer's
  // A displaced instruction at address + from now begins at island + to.
  struct Move {
    uint8_t from, to;
  } moves[6];
  uint8_t patch[24];
  uint8_t code[kMaxHookCode];
};
static_assert(sizeof(HookSite) <= 256);
inline constexpr unsigned kHookSiteStride = 256;
inline constexpr unsigned kJumpSize = 5;

// HeapThread::hold: the thread traps at the next door out of the agent.
enum HeapHold : uint64_t {
  kHoldNone,
  kHoldAsked,   // by the supervisor
  kHoldAtExec,  // by the agent: the supervisor reads the tool's records before they are gone
  kHoldAtEnd,   // by the agent: the libraries are about to free what they keep for themselves
};

// A thread as the heap layer knows it, found by its thread pointer (FS base), so that native code needs no register of
// its own.
struct HeapThread {
  uint64_t call;   // stack pointer at the entry of the hooked function that it is in, 0: none
  uint64_t hold;   // HeapHold
  uint64_t locks;  // 1: it holds all of the layer's locks, while the app forks
  uint64_t stack;  // top of its stack in the agent
  // With kHoldAtExec and kHoldAtEnd: 1: the app has SIGTRAP blocked in this thread, and ignores it; the supervisor sees
  // to it again.
  uint64_t trap_blocked, trap_ignored;
  uint64_t reserved[2];
};
static_assert(sizeof(HeapThread) == 64);

// What vsup_loader_stop leaves on the app's stack: what the app has made of SIGTRAP, and registers.
struct LoaderFrame {
  uint64_t action[4];  // struct kernel_sigaction
  uint64_t mask;
  uint64_t r11, r10, rdi, rsi, rdx, rcx, rax;
  uint64_t return_address;
};

// First place at which a thread pointer's record is looked for; then the next ones, until its key or 0.
inline constexpr uint32_t heap_thread_slot(uint64_t thread_pointer) {
  return static_cast<uint32_t>((thread_pointer >> 4) * 0x9e37'79b9'7f4a'7c15 >> 48);
}

// A small block in the chunk index is two cells of 32 bits at a place that follows from its address: one for each 16
// bytes, its own and the next one's. The cells of a MiB of addresses, a region, lie together. 0: nothing begins there.
inline constexpr unsigned kRegionShift = 20;
inline constexpr unsigned kPlaceShift = 4;
inline constexpr uint64_t kRegionsEnd = uint64_t{1} << 47;  // addresses from here on have no region
inline constexpr uint32_t kPlacesPerRegion = 1u << (kRegionShift - kPlaceShift);
// kRegionsBase: which of the regions in use covers this MiB, from 1. 0: none yet.
inline constexpr uint32_t kNoRegion = ~uint32_t{0};  // there was no room left: all its blocks are nodes
inline constexpr uint32_t kMaxRegions = 32768;
static_assert(kRegionsBase + (kRegionsEnd >> kRegionShift) * sizeof(uint32_t) <= kPlacePagesBase);
static_assert(kPlacesBase + uint64_t{kMaxRegions} * kPlacesPerRegion * sizeof(uint32_t) <=
              kHeapLayerBase + kHeapLayerSize);
// Of each 512 cells, which stand for a page of 8 KiB of addresses: whether they were ever written, and how many blocks
// of these addresses are nodes.
inline constexpr uint32_t kPlacesPerPage = 512;
inline constexpr uint32_t kPagesPerRegion = kPlacesPerRegion / kPlacesPerPage;
inline constexpr uint16_t kPageWritten = 0x8000;
static_assert(kPlacePagesBase + uint64_t{kMaxRegions} * kPagesPerRegion * sizeof(uint16_t) <= kRegionNumbersBase);
static_assert(kRegionNumbersBase + uint64_t{kMaxRegions} * sizeof(uint32_t) <= kPlacesBase);

// Both cells as one word: stack in bits 0-25, function and 1 in bits 26-31; size in bits 32-38, mark in bits 39-42,
// slack in bits 43-54, bit 55 set. So what a cell is can be told without its neighbours. What does not fit is a node,
// as is a block whose cells another one has, or would be in two regions.
struct PlacedBlock {
  uint64_t word;

  // Cells take a quarter of what they are for: for larger blocks more than nodes take.
  static constexpr uint64_t kMaxSize = 112;
  static constexpr uint32_t kMaxStack = (1u << 26) - 1;
  static constexpr unsigned kMaxFunction = 62, kMaxMark = 15, kMaxSlack = 4095;
  static constexpr unsigned kCells = 2;
  static constexpr uint64_t kSecondMark = uint64_t{1} << 55;

  static bool begins(uint32_t cell) { return cell >> 26 != 0; }

  bool present() const { return begins(static_cast<uint32_t>(word)) && word >> 55 == 1; }
  uint32_t stack() const { return word & kMaxStack; }
  uint32_t function() const { return static_cast<uint32_t>(word >> 26 & 63) - 1; }
  uint64_t size() const { return word >> 32 & 127; }
  uint32_t mark() const { return word >> 39 & kMaxMark; }
  uint32_t slack() const { return word >> 43 & kMaxSlack; }
};

// Any other block in the chunk index. Nodes are handed out in order, HeapControl::node_count of them so far.
struct [[gnu::packed, gnu::aligned(4)]] ChunkNode {
  uint64_t address_and_more;  // address, function in bits 48-55, mark in bits 56-63; 0: holds no block
  uint32_t size_low;
  uint16_t size_high;
  uint16_t slack;
  uint32_t stack;
  uint32_t next;  // agent private: of its bucket or of the free ones, 0: none
};
static_assert(sizeof(ChunkNode) == 24);
inline constexpr uint64_t kChunkAddressMask = (uint64_t{1} << 48) - 1;
inline constexpr uint32_t kMaxChunkNodes = 128u << 20;
static_assert(kChunkNodesBase + uint64_t{kMaxChunkNodes} * sizeof(ChunkNode) <= kHeapStacksBase);

struct HeapControl {
  uint64_t hook_count;  // HookSites in use
  uint64_t hook_first;  // place_hooks answers from this one on
  // 1: the process has one thread, which needs no locks and no locked instructions. Set to 0 while its only thread
  // stands still, before there is another.
  uint64_t alone;
  uint64_t loader_breakpoint;  // where the loader comes by when modules have changed, 0: not known
  uint64_t named_count;        // NamedCode in use
  uint64_t late;               // 1: the program has run without hooks, so there may be blocks that nobody saw

  // Written by the agent.
  uint64_t node_count;    // chunk nodes handed out, index 0 is none
  uint64_t lost_blocks;   // not recorded, because the index is full
  uint64_t region_count;  // regions in use, numbers from 1
};
static_assert(sizeof(HeapControl) <= 4096);

}  // namespace vsup::protocol
