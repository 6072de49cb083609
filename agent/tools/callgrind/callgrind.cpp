// Purpose: the callgrind tool: executions of each block, and calls with their inclusive cost, by thread.
// Promises: no clean call; what it counts lies where records.h says.

#include "agent/base/lock.h"
#include "agent/base/memory.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/instrumenter.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/cachesim/instrument.h"
#include "agent/tools/cachesim/system_calls.h"
#include "agent/tools/callgrind/call_exits.h"
#include "agent/tools/callgrind/calls.h"
#include "agent/tools/callgrind/dead_flags.h"
#include "agent/tools/callgrind/event_costs.h"
#include "agent/tools/callgrind/open_functions.h"
#include "agent/tools/callgrind/stacks.h"
#include "agent/tools/callgrind/tables.h"
#include "agent/tools/callgrind/thread_counts.h"
#include "agent/tools/callgrind/tree.h"
#include "protocol/client_requests.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

CountMode mode;

// Of the block that is being translated; the engine's lock is held from begin() to its end.
struct {
  uint32_t block;
  uint32_t place;
  bool flags_dead;
  bool counted;
} current;

void begin(const Block& block) {
  current.counted =
      has_room_for(block.count) && (!mode.events || cachesim::begin(block, static_cast<uint32_t>(header().lengths),
                                                                    {.executions = 0, .instructions = 0}));
  if (!current.counted) {
    ++header().lost_blocks;
    return;
  }
  current.block = add_block(block);
  current.place = place_without_flags(block);
  current.flags_dead = current.place != kNowhere;
  // In contexts the block's accesses are counted where its count has found.
  if (!current.flags_dead || mode.contexts) current.place = 0;
}

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  if (!current.counted) return;
  if (index == current.place) {
    CountedBlock counted{current.block, block.count, raw(block.tag), current.flags_dead, {}};
    if (mode.events) counted.totals = cachesim::block_totals(block);
    emit_count(out, mode, counted, source);
  }
  const uint8_t* counted_at = out.here();
  if (mode.events) cachesim::before(out, block, index, source);
  if (index + 1 != block.count) return;
  emit_calls(out, mode, block, index, source);
  if (out.here() != counted_at && is_branch(source.instr.flow)) out.set_kind(protocol::StateKind::kLeaving);
}

// Where nothing but blocks and calls is counted, and the block will be.
bool passes(const Block& block) {
  return has_room_for(kMaxBlockInstructions) && !mode.tree && !mode.events && !mode.acts && !mode.budget &&
         !mode.collect && may_pass(block);
}

uint32_t block_number() {
  return current.block;
}

SideExit side_exit(const SideJump& jump) {
  const BlockRecord& block = block_records()[jump.block];
  const uint32_t executed = instructions_in(block, jump.behind);
  uint32_t counter = 0;
  if (has_room_for(0)) {
    counter = kBlockCountOffset + 8 * add_part(jump.block, executed, jump.passed);
  } else {
    ++header().lost_blocks;
  }
  return {.counter = counter,
          .sum = accumulator_offset(jump.block),
          .instructions = block.count - executed,
          .flags_dead = flags_dead_at(jump.trusted, jump.target)};
}

uint32_t exit_taken(ThreadContext& ctx, uint64_t cookie, uint32_t retry) {
  uint64_t kind = cookie & ((1u << kExitKindBits) - 1);
  // Of callgrind's own cookies those of kind 0 are addresses, too.
  if (kind == 0 && cachesim::owns(cookie)) return cachesim::exit_taken(ctx, cookie, retry);
  auto* head = reinterpret_cast<EdgeRecord*>(cookie - kind);
  if (kind == kExitNewCallee) return callee_met(ctx, mode, head, retry);
  if (kind == kExitFlagged) return flagged_call(ctx, mode, head);
  if (kind == kExitResolved) return callee_resolved(ctx, mode, head);
  ctx.app_pc = cookie >> kExitKindBits;
  if (kind == kExitBudget) {
    *in_slot<uint64_t>(ctx, kBudgetOffset) = vsup_settings.tool_options[kOptionEveryBlocks];
    ask_supervisor(ctx, kAskDumpEvery, 0);
    return retry;
  }
  if (kind == kExitReturn || top_frame(ctx)->sp < ctx.gpr[protocol::kRsp]) {
    settle_stack(ctx, mode, kind == kExitReturn);
    return retry;
  }
  auto second = static_cast<uint32_t>((ctx.request_argument[0] >> 32) - 1);
  if (kind == kExitNewNode) {
    const uint32_t cost = top_frame(ctx)->cost;
    add_node(*top_frame(ctx), second);
    cost_moved(ctx, cost);
  } else {
    add_counter(*top_frame(ctx), second);
  }
  return retry;
}

void clear_slot(const ThreadContext& ctx) {
  const Header& records = header();
  memset(in_slot<uint8_t>(ctx, kAccumulatorOffset), 0, size_t{64} * kAccumulators);
  memset(in_slot<uint8_t>(ctx, kBlockCountOffset), 0, 8 * (mode.contexts ? records.counters : records.blocks));
  memset(in_slot<uint8_t>(ctx, kInclusiveOffset), 0, 8 * records.edges);
  memset(in_slot<uint8_t>(ctx, kCallsOffset), 0, 8 * records.edges);
  memset(in_slot<uint8_t>(ctx, kNodeInclusiveOffset), 0, 8 * records.nodes);
  memset(in_slot<uint8_t>(ctx, kNodeCallsOffset), 0, 8 * records.nodes);
  clear_cuts(ctx);
  if (mode.events) {
    cachesim::clear_counts(ctx);
    clear_event_costs(ctx);
  }
  *in_slot<uint64_t>(ctx, kGenerationOffset) = vsup_state.generation;
}

void thread_started(ThreadContext& ctx) {
  LockGuard guard(engine_lock);  // the stacks' records are everybody's
  if (*in_slot<uint64_t>(ctx, kGenerationOffset) != vsup_state.generation) clear_slot(ctx);
  memset(in_slot<uint8_t>(ctx, kActiveOffset), 0, kMaxFunctions / 8);
  *in_slot<uint64_t>(ctx, kCollectOffset) = vsup_settings.tool_options[kOptionCollectAtStart] != 0 ? ~0ull : 0;
  *in_slot<uint64_t>(ctx, kToggleDueOffset) = 0;
  *in_slot<uint64_t>(ctx, kBudgetOffset) = vsup_settings.tool_options[kOptionEveryBlocks];
  start_stack(ctx);
  if (mode.events) cachesim::empty_caches(ctx);
}

// The slot may be another thread's before anybody reads it.
void thread_ending(ThreadContext& ctx) {
  LockGuard guard(engine_lock);
  if (mode.acts) note_unfinished_functions(ctx, mode);
  end_stacks(ctx, mode);
}

// The child's frames entered before it was born: their cost counts from zero.
void forked(ThreadContext& ctx) {
  if (mode.events) cachesim::system_call_forgotten(ctx);
  clear_slot(ctx);
  forget_unfinished_functions();
  restart_stacks(ctx);
}

// From now on code looks whether its thread collects. True when there is code that does not.
bool start_switching() {
  header().switches = 1;
  if (mode.collect) return false;
  mode.collect = true;
  cachesim::configure(kAccumulatorOffset, kCollectOffset);
  return true;
}

void entered(ThreadContext& ctx, protocol::EntryReason reason) {
  if (mode.events && reason == protocol::EntryReason::kNative) cachesim::system_call_forgotten(ctx);
  if (mode.events) cachesim::system_call_ended(ctx);
  if (header().switches != 0 && start_switching()) ask_for_flush(ctx);
  if (reason == protocol::EntryReason::kHandler) start_handler(ctx, mode);
  if (reason != protocol::EntryReason::kNative) return;
  make_due_toggle(ctx);
  drop_stale_frames(ctx, mode);
  enter_open_functions(ctx, mode);
}

void signal_returning(ThreadContext& ctx) {
  end_handler(ctx, mode);
}

ClientAnswer client_request(ThreadContext& ctx, const uint64_t* request) {
  if (request[0] == protocol::client_request::kToggleCollect) {
    LockGuard guard(engine_lock);
    toggle_collection(ctx);
    ctx.gpr[protocol::kRdx] = 0;
    return start_switching() ? ClientAnswer::kDoneFlush : ClientAnswer::kDone;
  }
  const uint64_t tool = request[0] >> 16;
  const bool ours =
      tool == protocol::client_request::kDumpStats >> 16 || tool == protocol::client_request::kCachegrindStart >> 16;
  return ours ? ClientAnswer::kAskSupervisor : ClientAnswer::kUnknown;
}

Instrumenter own_instrumenter{.begin = begin,
                              .before = before,
                              .exit_taken = exit_taken,
                              .thread_started = thread_started,
                              .thread_ending = thread_ending,
                              .forked = forked,
                              .entered = entered,
                              .signal_returning = signal_returning,
                              .client_request = client_request,
                              .passes = passes,
                              .block_number = block_number,
                              .side_exit = side_exit,
                              .counts_blocks = true};

void install() {
  mode = {.tree = has_tree() || has_contexts(),
          .contexts = has_contexts(),
          .acts = vsup_settings.tool_options[kOptionActs] != 0,
          .budget = vsup_settings.tool_options[kOptionEveryBlocks] != 0,
          .collect = vsup_settings.tool_options[kOptionCollect] != 0};
  header().switches = mode.collect ? 1 : 0;
  if (mode.tree) start_tree();
  cachesim::configure(kAccumulatorOffset, mode.collect ? kCollectOffset : 0, mode.contexts ? kMovedOffset : 0);
  configure_event_costs();
  mode.events = has_event_costs();
  if (cachesim::counts_system_calls()) {
    own_instrumenter.system_call_starts = [](const ThreadContext& ctx) { cachesim::system_call_starts(ctx); };
    own_instrumenter.system_call_ended = [](const ThreadContext& ctx) { cachesim::system_call_ended(ctx); };
  }
  set_instrumenter(&own_instrumenter);
}

}  // namespace

}  // namespace vsup::agent::callgrind

VSUP_TOOL(callgrind, vsup::agent::callgrind::install);
