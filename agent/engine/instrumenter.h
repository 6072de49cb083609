// Purpose: how a tool adds its code to blocks. The engine knows this interface and no tool.
// Assumes: every function but client_request is called with the engine lock held; the first two are true functions of
// block and options.
#pragma once

#include "agent/engine/block.h"
#include "agent/engine/rules.h"

namespace vsup::agent {

// What a tool makes of a client request.
enum class ClientAnswer {
  kUnknown,        // not the tool's
  kDone,           // the answer, if any, is in rdx
  kDoneFlush,      // likewise, and all fragments must be made anew
  kAskSupervisor,  // Service::kClientRequest
};

// A conditional jump in a block's middle, which is followed for the first time.
struct SideJump {
  uint32_t block;   // the tool's number of it
  uint32_t passed;  // such jumps before this one
  uint32_t behind;  // bytes of the block in front of what follows the jump
  uint64_t target;
  TrustedCode trusted;  // around the block
};

// What a tool counts when a block is left by one, both in the thread's slot.
struct SideExit {
  uint32_t counter;  // gets 1 more; 0: none
  uint32_t sum;      // gets `instructions` less
  uint32_t instructions;
  bool flags_dead;  // where the jump leads
};

struct Instrumenter {
  // A block is about to be translated.
  void (*begin)(const Block& block);

  // Before instruction `index` of the block. The emitted code must leave registers and flags as it found them and
  // cover() itself at source.offset. A tool that counts the block sets StateKind::kExact for what comes after
  // that, and kStepCounting between the block's own count and others.
  void (*before)(Emitter& out, const Block& block, uint32_t index, const Source& source);

  // A LinkKind::kTool exit was taken: `cookie` and `retry` are its record's. Sets ctx.app_pc and returns the offset
  // from kCacheBase at which the thread goes on, where its state must be exact.
  uint32_t (*exit_taken)(protocol::ThreadContext& ctx, uint64_t cookie, uint32_t retry);

  // A thread enters the cache for the first time; sets ctx.tool_stack to something other than 0.
  void (*thread_started)(protocol::ThreadContext& ctx);

  // The thread makes its last system call.
  void (*thread_ending)(protocol::ThreadContext& ctx);

  // A process was forked; this is the child, which starts with empty records.
  void (*forked)(protocol::ThreadContext& ctx);

  // A thread enters the cache in app state, at ctx.app_pc. May be none.
  void (*entered)(protocol::ThreadContext& ctx, protocol::EntryReason reason) = nullptr;

  // The thread is about to make an rt_sigreturn. May be none.
  void (*signal_returning)(protocol::ThreadContext& ctx) = nullptr;

  // A system call is about to be made, and has been made: the thread comes by the dispatcher after each. Both or none.
  // The second is not called for a call that never returns or that the thread was moved out of. Without the lock.
  void (*system_call_starts)(const protocol::ThreadContext& ctx) = nullptr;
  void (*system_call_ended)(const protocol::ThreadContext& ctx) = nullptr;

  // The app makes a client request: `request` is its code and five arguments. May be none. Called without the lock.
  ClientAnswer (*client_request)(protocol::ThreadContext& ctx, const uint64_t* request) = nullptr;

  // Whether the block goes on behind the conditional jump that is its last instruction yet. May be none: never.
  bool (*passes)(const Block& block) = nullptr;
  // None of the two without that. The number of the block that is being translated, and what is counted at its jumps.
  uint32_t (*block_number)() = nullptr;
  SideExit (*side_exit)(const SideJump& jump) = nullptr;

  // Blocks are counted as a whole: state maps tell which of a block's places come before that.
  bool counts_blocks = false;
};

// Called from exit_taken or entered: when the tool returns, its half in the supervisor is told `code` and `argument`,
// and the thread goes on after it has acted. Of two in one call the codes are joined and the last argument stays.
void ask_supervisor(protocol::ThreadContext& ctx, uint64_t code, uint64_t argument);
// From entered: fragments must be made anew before the thread goes on.
void ask_for_flush(protocol::ThreadContext& ctx);

// None at first. Set once, before the first translation.
void set_instrumenter(const Instrumenter* tool);
const Instrumenter* instrumenter();

}  // namespace vsup::agent
