// Purpose: the contract between the supervisor and the agent it injects: where everything lies in
// the tracee's address space, and the structures that both sides read and write there.
// Assumes: x86-64, both sides built from the same tree (kBootVersion is compared at start).
// Promises: freestanding; plain standard-layout structures; no function that allocates.
//
// The agent arena, one reservation of a traced process (MAP_NORESERVE, PROT as noted):
//
//   kArenaBase 0x2700'0000'0000  +0x0000'0000  blob: text, rodata, data, bss        (ELF segments)
//                                +0x0100'0000  shared block, MAP_SHARED with vsup   (rw)
//                                +0x1000'0000  code cache, hot: fragments           (rwx, 512 MiB)
//                                +0x3000'0000  code cache, cold: stubs and thunks   (rwx, 512 MiB)
//                                +0x5000'0000  literals, rip-reachable from both    (rw, 256 MiB)
//                                +0x6000'0000  agent heap: fragment table, maps     (rw, 1 GiB)
//                                +0x1'0000'0000  thread slots, 512 MiB each         (rw, 2 TiB)
//                                +0x201'0000'0000 the tool's records                (rw, 4 GiB)
//                                +0x202'0000'0000 stacks, see callstack.h           (rw, 4 GiB)
//                                +0x203'0000'0000 heap layer, see heap.h            (rw, 30 GiB)
//
// A thread slot, GS base of its thread while that thread is instrumented:
//
//   +0x00000  ThreadContext                                  (one page)
//   +0x01000  indirect branch table: 65,536 cache pcs, indexed by the low 16 bits of the app pc
//   +0x100000 the tool's counts of this thread
//   +0x1ff00000 agent stack of this thread, grows down from the slot's end
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vsup::protocol {

inline constexpr uint32_t kBootMagic = 0x50555356;  // "VSUP"
inline constexpr uint32_t kBootVersion = 1;

inline constexpr uint64_t kArenaBase = 0x2700'0000'0000;
inline constexpr uint64_t kArenaSize = 0x20a'8000'0000;
inline constexpr uint64_t kBlobBase = kArenaBase;
inline constexpr uint64_t kBlobMaxSize = 0x0100'0000;
inline constexpr uint64_t kSharedBase = kArenaBase + 0x0100'0000;
inline constexpr uint64_t kSharedSize = 0x1'0000;
inline constexpr uint64_t kCacheBase = kArenaBase + 0x1000'0000;
inline constexpr uint64_t kCacheHotSize = 0x2000'0000;
inline constexpr uint64_t kColdBase = kCacheBase + kCacheHotSize;
inline constexpr uint64_t kColdSize = 0x2000'0000;
inline constexpr uint64_t kLiteralBase = kColdBase + kColdSize;
inline constexpr uint64_t kLiteralSize = 0x1000'0000;
inline constexpr uint64_t kHeapBase = kLiteralBase + kLiteralSize;
inline constexpr uint64_t kHeapSize = 0x4000'0000;
inline constexpr uint64_t kSlotsBase = kArenaBase + 0x1'0000'0000;
inline constexpr uint64_t kSlotSize = 0x2000'0000;
inline constexpr uint32_t kMaxSlots = 4096;
inline constexpr uint64_t kToolBase = kSlotsBase + kMaxSlots * kSlotSize;  // a tool's own records
inline constexpr uint64_t kToolSize = 0x1'0000'0000;
inline constexpr uint64_t kCallstackBase = kToolBase + kToolSize;  // stack capture
inline constexpr uint64_t kCallstackSize = 0x1'0000'0000;
inline constexpr uint64_t kHeapLayerBase = kCallstackBase + kCallstackSize;
inline constexpr uint64_t kHeapLayerSize = 0x7'8000'0000;
static_assert(kHeapLayerBase + kHeapLayerSize == kArenaBase + kArenaSize);
inline constexpr uint64_t kBranchTableOffset = 0x1000;
inline constexpr uint64_t kBranchTableEntries = 65536;

// General registers in the numbering of the instruction encoding.
enum GprIndex : uint8_t {
  // clang-format off
  kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi,
  kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15,
  // clang-format on
};

// What the heap layer hooks in the app.
enum HookHeap : uint32_t {
  kHookNone,
  kHookFunctions,   // allocation functions: the tool wants to hear of allocations
  kHookLoaderOnly,  // the tool wants stacks, so only where modules come and go
};

// ThreadContext::entry_reason.
enum class EntryReason : uint64_t {
  kGoesOn = 0,   // where it was before
  kHandler = 1,  // at a signal handler's first instruction
  kNative = 2,   // it may have executed native code meanwhile
};

// Why a thread stands at Exports::service_trap.
enum class Service : uint64_t {
  kNone = 0,
  // The thread's `pending` word was set. App state is complete in the context; the agent stack is empty.
  kSafePoint,
  // Execute the one app instruction at app_pc natively, then enter again where it ends. App state in the
  // context, agent stack empty.
  kStepNative,
  // Stop the world, call Exports::flush_entry's effect (reset the cache), go on at app_pc. App state in the
  // context, agent stack empty.
  kFlush,
  // Describe the mapping that holds request_argument[0]; the answer goes to request_result. The agent stack
  // is in use; the thread continues at the instruction after the trap.
  kQueryMap,
  // An execve is about to be made: the tool's records can still be read. The agent stack is in use; the thread
  // continues at the instruction after the trap.
  kBeforeExec,
  // A client request that the agent does not answer. App state in the context, behind the request; agent stack empty.
  kClientRequest,
  // The tool wants something of its supervisor's half, which request_argument says. App state in the context;
  // the thread goes on where it was about to restore it; agent stack empty.
  kToolRequest,
  // The signal that the thread was sent to `deliver` with is to be delivered by the kernel. App state in the context;
  // agent stack empty.
  kDeliver,
  // The agent found itself broken; SharedBlock::crash is filled. Does not return.
  kCrash,
};

// request_result of Service::kQueryMap: [0] start, [1] end (first byte after), [2] MapFlags, [3] offset of the
// start in its file.
enum MapFlags : uint64_t {
  kMapPresent = 1,  // 0: no mapping there; start and end then bound the hole
  kMapReadable = 2,
  kMapWritable = 4,
  kMapExecutable = 8,
  kMapFile = 16,    // backed by a file (private or shared), not anonymous
  kMapShared = 32,  // can change through another mapping
};

// One per thread, at the start of its slot. Assembly uses the offsets in context_offsets.h, which
// context_offsets_check.cpp compares with this structure.
struct ThreadContext {
  uint64_t self;           // own address
  uint64_t gpr[16];        // app registers while the agent's C++ runs, GprIndex order
  uint64_t rflags;         // app flags, likewise
  uint64_t app_pc;         // next app instruction: where `enter` starts, or after a system call
  uint64_t agent_sp;       // top of the agent stack (slot end)
  uint64_t next_cache_pc;  // where the restore path jumps
  uint64_t exit_id;        // which direct exit was taken: index of a link record, or 0
  uint64_t pending;        // set by the supervisor: trap with kSafePoint before entering the cache
  uint64_t spill[16];      // app values of registers that inserted code has borrowed
  uint64_t spill_flags;    // app flags borrowed by inserted code, lahf/seto form: AH = flags, AL = OF
  uint64_t app_gs_base;    // the app's own GS base
  uint64_t syscall_pc;     // app address of the system call instruction being executed
  uint64_t service;        // Service, valid at service_trap
  uint64_t request_argument[2];
  uint64_t request_result[4];
  uint64_t slot_index;
  uint64_t frame_pc_address;    // the agent's: the pc word of the frame that an rt_sigreturn is about to leave, or 0
  uint64_t tool_stack;          // top of the tool's own stack of this thread, 0: none yet
  uint64_t tool_stack_end;      // the tool's: where that stack is full
  uint64_t branch_table_epoch;  // cache epoch that the branch table belongs to; 0: never filled (a new thread's)
  uint64_t trap_unblocked;      // the agent unblocked SIGTRAP for its trap; the supervisor blocks it again where the
                                // service does not return
  uint64_t trap_blocked;        // the app may have SIGTRAP blocked in this thread, see engine/trap_guard.h
  uint64_t tid;                 // agent private: the thread's id, 0: not asked for yet
  uint64_t wait_began;       // time stamp counter, when it last made a system call that may wait with a time limit and
                             // that the kernel does not start again (agent/os/syscalls)
  uint64_t entry_reason;     // EntryReason: set by the supervisor, for tools; the agent sets it back
  uint64_t signal_mask;      // where a signal is to be delivered at `deliver`: the app's mask, and
  uint64_t signal_info[16];  // the signal (siginfo_t)
};
static_assert(sizeof(ThreadContext) <= 4096);

// One translated basic block. Table at AgentState::fragments, sorted by cache_start because the
// cache is filled upwards and emptied as a whole.
struct FragmentInfo {
  uint64_t app_pc;       // tag: address of its first app instruction
  uint32_t cache_start;  // offset of its first byte from kCacheBase
  uint32_t cache_size;   // bytes in the hot area
  uint32_t map_offset;   // offset of its state map in AgentState::state_maps
  uint16_t map_size;     // bytes
  uint16_t app_size;     // bytes of app code
  uint32_t hash_next;    // agent private: index + 1 of the next fragment in its bucket
  uint32_t flags;        // FragmentFlags
};
static_assert(sizeof(FragmentInfo) == 32);

enum FragmentFlags : uint32_t {
  kFragmentChecked = 1,  // compares its source bytes on entry
  kFragmentRemoved = 2,  // no longer found by lookup
};

// State map: a byte string of entries in cache order, from cache_start on.
//   byte 0: bits 0-3 app bytes to advance before this entry (0 to 15), bits 4-6 StateKind, bit 7: a mask follows
//   byte 1: cache bytes that this entry covers (0 to 255)
//   with bit 7: u16 mask: bit r set: the app value of GPR r is in ThreadContext::spill[r];
//                         bit 4 (rsp is never spilled): the app's flags are in spill_flags
// Without a mask every register holds its app value.
// The address right after the last entry belongs to nothing: fragments end in an exit.
enum class StateKind : uint8_t {
  kExact = 0,      // app pc as counted; registers as the mask says. Faults have this state only.
  kStep = 1,       // not an app state: single-step until another state or agent text is reached
  kUncounted = 2,  // as kExact, and the tool has not counted the block yet
  kLeaving = 3,    // the tool has told what the branch here does, which is to be done: kExact for a fault, else kStep
  kStepUncounted = 4,  // as kStep, and the tool has not counted the block yet
  kStepCounting = 5,   // as kStep, and the tool has counted the block, but not yet its instructions in their sum
  kStepExiting = 6,    // as kStep, and the tool has counted that the block is left here, but not yet taken back the
                       // instructions behind it from their sum
};
inline constexpr StateKind kLastStateKind = StateKind::kStepExiting;
inline constexpr unsigned kStateKindShift = 4;
inline constexpr uint8_t kStateAdvance = 0x0f, kStateKindBits = 0x07, kStateHasMask = 0x80;

// Of an entry, by its byte 0.
constexpr unsigned state_entry_size(uint8_t head) {
  return (head & kStateHasMask) != 0 ? 4 : 2;
}

constexpr bool is_step(StateKind kind) {
  return kind == StateKind::kStep || kind == StateKind::kStepUncounted || kind == StateKind::kStepCounting ||
         kind == StateKind::kStepExiting;
}
constexpr bool is_uncounted(StateKind kind) {
  return kind == StateKind::kUncounted || kind == StateKind::kStepUncounted;
}

// Cache pc to fragment: AgentState::chunk_first[(cache_pc - kCacheBase) >> kChunkShift] is 0 (nothing
// starts or continues in this chunk yet) or 1 + the index of the first fragment that covers a byte of it.
inline constexpr unsigned kChunkShift = 9;

// Lives in the blob's data, its address is in Exports.
struct AgentState {
  uint64_t fragments;  // FragmentInfo[]
  uint64_t fragment_count;
  uint64_t state_maps;    // bytes
  uint64_t chunk_first;   // uint32_t[]
  uint64_t cold_used;     // bytes of the cold area in use
  uint64_t cache_used;    // bytes of the hot area in use
  uint64_t generation;    // counts forks, from 1: what a tool recorded before belongs to an ancestor
  uint64_t flush_wanted;  // set by the supervisor while nobody is in the cache: to be emptied before anybody enters it
};

inline constexpr unsigned kToolOptionCount = 64;

// arch/x86/include/uapi/asm/signal.h; and both as bits of a signal mask.
inline constexpr uint64_t kSigbus = 7, kSigsegv = 11;
inline constexpr uint64_t kFaultSignals = uint64_t{1} << (kSigsegv - 1) | uint64_t{1} << (kSigbus - 1);

enum FaultGuarding : uint32_t {
  kFaultsUnhandled = 0,
  kGuardFaults = 1,     // the app has handled SIGSEGV or SIGBUS
  kFaultsFiltered = 2,  // its system calls are filtered: the agent makes none that it can do without
};

enum TrapGuarding : uint32_t {
  kTrapUnhandled = 0,
  kHandlersBlockTrap = 1,  // the app has handlers, and they may have SIGTRAP blocked
  kTrapHandled = 2,        // one of SIGTRAP
};

// Stress knobs and engine options, written by the supervisor before the agent runs.
struct AgentSettings {
  uint32_t max_block_instructions;  // 1 to 256
  uint32_t link;                    // 0: every exit goes through the dispatcher
  uint32_t cache_limit;             // bytes of the hot area that may be used before a flush
  uint32_t flush_every;             // flush after this many translations; 0: never
  uint64_t translate_limit;         // after this many blocks, single-step natively instead; ~0: no limit
  uint32_t check_all;               // 1: every block checks its source bytes on entry
  uint32_t verify;                  // 1: re-derive and compare the state map of each new fragment
  uint32_t pass_rseq;               // 1: a thread has registered rseq natively, so later threads' calls must succeed
  uint32_t guard_trap;              // TrapGuarding; set by either side, see engine/trap_guard.h
  uint32_t ignore_trap;             // 1: the app ignores SIGTRAP; set by either side, see engine/trap_guard.h
  uint32_t guard_faults;            // FaultGuarding; set by either side, see engine/fault_guard.h
  uint32_t hook_heap;               // HookHeap
  uint32_t python_stacks;           // PythonStacks, and
  uint32_t python_malloc;           // PythonMalloc, of tools that want to hear of allocations
  uint32_t run_native;              // 1: the tool needs no code cache; threads run native even when it is on
  char tool_name[16];               // the agent's tool, NUL-terminated; empty: none
  uint64_t tool_options[kToolOptionCount];  // their meaning is in agent/tools/TOOL/records.h
};

// The agent's own end, found at Exports' address, which is the ELF entry point of the blob.
// All addresses are absolute.
struct Exports {
  uint32_t magic;
  uint32_t version;
  uint64_t text_start, text_end;        // agent code: rip in here means "in the agent"
  uint64_t enter;                       // registers are the app's, GS is the context, app_pc is set: go on in the cache
  uint64_t deliver;                     // likewise, but to the handler of the signal in the context first
  uint64_t syscall_insn;                // the one `syscall` for ordinary app system calls: app state, pc = syscall_pc
  uint64_t syscall_return;              // after it: app state, pc = app_pc; rcx is to be app_pc (the kernel left ours)
  uint64_t restore_start, restore_end;  // app state is complete in the context and pc = app_pc, though registers vary
  uint64_t syscall_restore_start, syscall_restore_end;  // likewise, but pc = syscall_pc
  uint64_t safe_access_start, safe_access_end;  // SIGSEGV, SIGBUS with rip in here: dropped, on at safe_access_fail
  uint64_t safe_access_fail;
  uint64_t fixups_start, fixups_end;  // Fixup[]: likewise for single instructions, each with its own place to go on
  uint64_t service_trap;              // an int3 here: rip = service_trap + 1 at the stop; context says which Service
  uint64_t service_done;              // where a thread goes on in the agent when its Service is done
  uint64_t reset_cache;               // function void(void): empties the cache; the supervisor has it run by a
                                      // stopped thread (remote call on that thread's empty agent stack, returns to
                                      // `remote_return`, which is an int3)
  uint64_t remote_return;
  uint64_t initialize;   // function void(void): once per image, run the same way, before any entry
  uint64_t state;        // AgentState
  uint64_t settings;     // AgentSettings
  uint64_t place_hooks;  // function void(void), run the same way: answers the HookSites that are wanted, see heap.h
  // Behind the int3s at which a thread with HeapThread::hold leaves the heap layer. What is left to do there: return to
  // the app; push hook_return and go to r11; go to r11.
  uint64_t hook_return_door, hook_call_door, hook_jump_door;
  // Where an island of the loader's function leads, in native code: a few instructions later it traps, with rip =
  // loader_door, under a LoaderFrame.
  uint64_t loader_stop, loader_door;
  uint64_t hook_return;           // the return address that a hooked function finds
  uint64_t step_start, step_end;  // agent code that fragments call and that leads back: rip in here means "step on"
};

// An instruction of the agent that may fault, and where it goes on then.
struct Fixup {
  int32_t instruction;  // from the address of this member
  int32_t target;       // likewise
};

// What a broken agent leaves behind.
struct CrashPage {
  uint64_t valid;
  char condition[128];
  char file[96];
  uint64_t line;
  uint64_t app_pc, cache_pc, fragment;
  uint64_t values[4];
};

enum CounterIndex : uint32_t {
#define VSUP_COUNTER(name, sentence) kCounter_##name,
#include "protocol/counters.def"
#undef VSUP_COUNTER
  kCounterCount
};

// At kSharedBase; survives the tracee. Only the tracee writes it, so the supervisor trusts nothing in it.
struct SharedBlock {
  uint64_t counters[256];
  CrashPage crash;
};
static_assert(kCounterCount <= 256);
static_assert(sizeof(SharedBlock) <= kSharedSize);

}  // namespace vsup::protocol
