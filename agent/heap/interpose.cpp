// Purpose: what happens around a call of a hooked function: which block it makes or ends, told once to the tool.
// Assumes: called by hook_entry.S on the thread's stack in the agent, in native code or translated like the app's;
// signals wait outside (the supervisor lets no handler run before the thread has left the agent).
//
// Counted is the outermost call: operator new that calls malloc, realloc that calls malloc. A call is inside another
// when that one's frame is still on the stack: its record says where, and hook_return lies there.
#include "agent/base/safe_load.h"
#include "agent/base/settings.h"
#include "agent/callstack/capture.h"
#include "agent/callstack/python_codes.h"
#include "agent/callstack/read_log.h"
#include "agent/engine/fault_guard.h"
#include "agent/engine/trap_guard.h"
#include "agent/heap/heap_events.h"
#include "agent/heap/heap_thread.h"
#include "agent/heap/hook_frame.h"

namespace vsup::agent {

namespace {

using namespace protocol;

struct HookFrame {
  uint64_t arguments[6];
  uint64_t rbp;
  const HookSite* site;
  HeapThread* thread;
  uint64_t result;
  uint64_t outer;    // HeapThread::call before this one
  HeapBlock former;  // the block that a realloc is about to change
};
static_assert(sizeof(HookFrame) == VSUP_HOOK_FRAME);
static_assert(offsetof(HookFrame, rbp) == VSUP_HOOK_RBP && offsetof(HookFrame, site) == VSUP_HOOK_SITE);
static_assert(offsetof(HookFrame, thread) == VSUP_HOOK_THREAD && offsetof(HookFrame, result) == VSUP_HOOK_RESULT);
static_assert(offsetof(HookFrame, outer) == VSUP_HOOK_OUTER && offsetof(HookFrame, former) == VSUP_HOOK_FORMER);
static_assert(offsetof(HeapThread, hold) == VSUP_HEAP_THREAD_HOLD);
static_assert(offsetof(HeapThread, stack) == VSUP_HEAP_THREAD_STACK && offsetof(HookSite, trampoline) == 0);
static_assert(protocol::kHeapStackSize == VSUP_HEAP_STACK_SIZE);

HeapEvents events{};

}  // namespace

void set_heap_events(const HeapEvents& given) {
  events = given;
  set_read_guard({.unblock = unblock_faults, .block = block_signals});
}

const HeapEvents& heap_events() {
  return events;
}

}  // namespace vsup::agent

#pragma GCC visibility push(hidden)
extern "C" {
void vsup_hook_return();
vsup::protocol::HeapThread* vsup_heap_thread();
uint64_t vsup_heap_before(vsup::agent::HookFrame* frame);
void vsup_heap_after(vsup::agent::HookFrame* frame);
int vsup_hook_personality(int version, int actions, uint64_t exception_class, void* exception, void* context);
}
#pragma GCC visibility pop

namespace vsup::agent {

namespace {

constexpr uint64_t kPage = 4096;

uint64_t entry_sp(const HookFrame& frame) {
  return reinterpret_cast<uint64_t>(&frame) + sizeof frame;
}

// Whether the thread is in a hooked function already. A call that was left by longjmp left its record behind: its frame
// is above the stack pointer, or overwritten.
bool is_inside(const HeapThread& thread, uint64_t sp) {
  if (thread.call == 0 || sp >= thread.call) return false;
  uint64_t word = 0;
  return safe_load(thread.call - sizeof(HookFrame) - 8, word) && word == reinterpret_cast<uint64_t>(&vsup_hook_return);
}

struct Request {
  uint64_t size;
  bool valid;
};

Request product(uint64_t count, uint64_t size) {
  uint64_t bytes = 0;
  bool overflow = __builtin_mul_overflow(count, size, &bytes);
  return {bytes, !overflow};
}

bool is_python(HeapFunction function) {
  return function >= HeapFunction::kPythonMalloc && function <= HeapFunction::kPythonFree;
}

// Those of C's functions: what Python's have before them is left out.
const uint64_t* arguments_of(const HookFrame& frame) {
  return frame.arguments + (is_python(frame.site->function) ? 1 : 0);
}

Request requested(const HookFrame& frame) {
  const uint64_t* argument = arguments_of(frame);
  switch (frame.site->function) {
    case HeapFunction::kCalloc:
    case HeapFunction::kPythonCalloc:
      return product(argument[0], argument[1]);
    case HeapFunction::kRealloc:
    case HeapFunction::kPythonRealloc:
    case HeapFunction::kMemalign:
      return {argument[1], true};
    case HeapFunction::kReallocArray:
      return product(argument[1], argument[2]);
    case HeapFunction::kPosixMemalign:
      return {argument[2], true};
    case HeapFunction::kPvalloc:
      return {(argument[0] + kPage - 1) & ~(kPage - 1), true};
    default:
      return {argument[0], true};
  }
}

bool is_free(HeapFunction function) {
  return function == HeapFunction::kFree || function == HeapFunction::kDelete ||
         function == HeapFunction::kDeleteArray || function == HeapFunction::kPythonFree;
}

bool is_resize(HeapFunction function) {
  return function == HeapFunction::kRealloc || function == HeapFunction::kReallocArray ||
         function == HeapFunction::kPythonRealloc;
}

// A block that comes to an address where the index has one already: that one's end was not seen.
void enter(const HeapBlock& block) {
  HeapBlock lost;
  chunk_insert(block, lost);
  if (lost.present != 0) [[unlikely]]
    events.freed(lost);
}

HeapBlock make_block(const HookFrame& frame, uint64_t address, uint64_t size) {
  uint64_t sp = entry_sp(frame);
  chunk_expect(address);
  uint32_t stack =
      capture_stack_saved_rbp(*reinterpret_cast<const uint64_t*>(sp), sp + 8, reinterpret_cast<uint64_t>(&frame.rbp),
                              events.depth, &walk_cache_of(*frame.thread), events.stack_ids);
  return {.address = address,
          .size = size,
          .stack = stack,
          .slack = 0,
          .function = static_cast<uint8_t>(frame.site->function),
          .mark = 0,
          .present = 1};
}

uint64_t rounded(uint64_t size) {
  return (size + 15) / 16;
}

// Shrunk in place, it keeps what it had.
void keep_slack(const HeapBlock& former, HeapBlock& fresh) {
  uint64_t units = rounded(former.size) + former.slack;
  if (units <= rounded(fresh.size)) return;
  uint64_t slack = units - rounded(fresh.size);
  fresh.slack = static_cast<uint16_t>(slack < 0xffff ? slack : 0xffff);
}

// Before the trap at the door, which would take it away.
void note_trap_choice(HeapThread& thread) {
  thread.trap_blocked = (unblock_signals(kTrapMask) & kTrapMask) != 0 ? 1 : 0;
  thread.trap_ignored = signal_action(kSigtrap).handler == kSignalIgnored ? 1 : 0;
}

bool asks_for_exec(const HookFrame& frame) {
  constexpr uint64_t kExecve = 59, kExecveat = 322;  // arch/x86/entry/syscalls/syscall_64.tbl
  return frame.arguments[0] == kExecve || frame.arguments[0] == kExecveat;
}

// In the cache the system call itself tells (agent/os/syscalls.cpp).
void note_what_concerns_faults(const HookFrame& frame) {
  constexpr uint64_t kPrctl = 157, kSeccomp = 317;  // arch/x86/entry/syscalls/syscall_64.tbl
  const uint64_t first = frame.arguments[0] & 0xffff'ffff, second = frame.arguments[1];
  switch (frame.site->function) {
    case HeapFunction::kSignalAction:
      note_signal_action(first, second);
      break;
    case HeapFunction::kProcessControl:
      note_process_control(first);
      break;
    case HeapFunction::kSystemCall:
      if (first == kSeccomp) want_fault_guarding(kFaultsFiltered);
      if (first == kPrctl) note_process_control(second);
      break;
    case HeapFunction::kSeccomp:
      want_fault_guarding(kFaultsFiltered);
      break;
    default:
      break;
  }
}

// The thread traps on its way out, and then enters the hooked function anew. The last one of a process: once.
void come_again(HookFrame& frame) {
  static HookSite entry;
  entry.trampoline = frame.site->address;
  frame.site = &entry;
  frame.thread->call = 0;
  note_trap_choice(*frame.thread);
  frame.thread->hold = kHoldAtEnd;
}

void resized(const HookFrame& frame, const Request& request) {
  if (frame.result == 0) {
    // It failed and the block stays, but with size 0 it was freed. A product that overflows may look like 0.
    if (frame.former.present == 0) return;
    if (request.valid && request.size == 0) return events.freed(frame.former);
    HeapBlock lost;
    return chunk_insert(frame.former, lost);
  }
  HeapBlock block = make_block(frame, frame.result, request.size);
  if (frame.former.present == 0) {
    // Of realloc(NULL, ...). A block from before the hooks stays unknown: nobody saw its size.
    if (arguments_of(frame)[0] != 0) return;
    block.function = static_cast<uint8_t>(HeapFunction::kMalloc);
    enter(block);
    return events.allocated(block);
  }
  keep_slack(frame.former, block);
  enter(block);
  events.resized(frame.former, block);
}

}  // namespace

}  // namespace vsup::agent

// On the app's stack: uses next to nothing of it.
vsup::protocol::HeapThread* vsup_heap_thread() {
  return &vsup::agent::heap_thread();
}

// Whether there is something to do after the function, too.
uint64_t vsup_heap_before(vsup::agent::HookFrame* frame) {
  using namespace vsup::agent;
  HeapFunction function = frame->site->function;
  HeapThread& thread = *frame->thread;
  if (is_free(function)) {
    HeapBlock block;
    uint64_t address = arguments_of(*frame)[0];
    if (address == 0) return 0;
    bool known = chunk_remove(address, block);
    if (!known || block.size >= kLeastCodeSize) code_may_end(address);
    if (known) events.freed(block);
    return 0;
  }
  if (function == HeapFunction::kFork) {
    chunk_lock_all();
    events.before_fork();
    thread.locks = 1;
    return 1;
  }
  uint64_t sp = entry_sp(*frame);
  if (function >= HeapFunction::kExit) {
    if (function == HeapFunction::kExit && events.exit_called != nullptr) events.exit_called(sp);
    if (function == HeapFunction::kLeave && events.leaving != nullptr) {
      // The supervisor takes no hook away while a hooked function runs.
      thread.call = sp;
      if (events.leaving()) come_again(*frame);
    }
    note_what_concerns_faults(*frame);
    if (function == HeapFunction::kExec || (function == HeapFunction::kSystemCall && asks_for_exec(*frame))) {
      note_trap_choice(thread);
      thread.hold = kHoldAtExec;
    }
    return 0;
  }
  if (is_inside(thread, sp)) return 0;
  frame->former.present = 0;
  if (is_resize(function)) {
    uint64_t address = arguments_of(*frame)[0];
    if (address != 0) chunk_remove(address, frame->former);
  }
  frame->outer = thread.call;
  thread.call = sp;
  return 1;
}

void vsup_heap_after(vsup::agent::HookFrame* frame) {
  using namespace vsup::agent;
  HeapFunction function = frame->site->function;
  if (function == HeapFunction::kFork) {
    frame->thread->locks = 0;
    events.after_fork();
    chunk_unlock_all();
    return;
  }
  frame->thread->call = frame->outer;
  Request request = requested(*frame);
  if (is_resize(function)) return resized(*frame, request);
  uint64_t address = frame->result;
  if (function == HeapFunction::kPosixMemalign)
    address = frame->result == 0 ? *reinterpret_cast<const uint64_t*>(frame->arguments[0]) : 0;
  if (address == 0 || !request.valid) return;
  HeapBlock block = make_block(*frame, address, request.size);
  enter(block);
  events.allocated(block);
}

// An exception or a cancellation passes through a hooked function: it will not return. Source of the protocol: Itanium
// C++ ABI, exception handling, 1.6.2; _UA_CLEANUP_PHASE is 2, _URC_CONTINUE_UNWIND 8.
int vsup_hook_personality(int, int actions, uint64_t, void*, void*) {
  using namespace vsup::agent;
  if ((actions & 2) != 0) heap_thread().call = 0;
  return 8;
}
