// Purpose: the callgrind tool: executions of each block, and calls with their inclusive cost, by thread.
// Promises: no clean call; what it counts lies where records.h says.

#include "agent/base/memory.h"
#include "agent/engine/instrumenter.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/callgrind/call_code.h"
#include "agent/tools/callgrind/function_starts.h"
#include "agent/tools/callgrind/tree.h"
#include "agent/x86/decoder.h"
#include "protocol/client_requests.h"

namespace vsup::agent::callgrind {

namespace {

using protocol::ThreadContext;

Header& header() {
  return *reinterpret_cast<Header*>(kToolBase);
}
BlockRecord* blocks() {
  return reinterpret_cast<BlockRecord*>(kBlocksAt);
}
EdgeRecord* edges() {
  return reinterpret_cast<EdgeRecord*>(kEdgesAt);
}

template <typename T>
T* in_slot(const ThreadContext& ctx, uint32_t offset) {
  return reinterpret_cast<T*>(ctx.self + offset);
}

// Instructions looked at from each place where the count might go.
constexpr uint32_t kPlacesTried = 3;

// The first of the block's places where the arithmetic flags are overwritten before anything reads them, or none.
constexpr uint32_t kNowhere = ~0u;
uint32_t place_without_flags(const Block& block) {
  for (uint32_t start = 0; start < block.count && start < kPlacesTried; ++start) {
    uint32_t open = kFlagsArithmetic;
    for (uint32_t i = start; i < block.count; ++i) {
      Effects what;
      effects(block.instructions[i], what);
      if ((what.flags_read & open) != 0) break;
      open &= ~what.flags_written;
      if (open == 0) return start;
    }
  }
  return kNowhere;
}

CountMode mode;

// Of the block that is being translated; the engine's lock is held from begin() to its end.
struct {
  uint32_t block;
  uint32_t place;
  bool flags_dead;
  bool counted;
} current;

EdgeRecord* add_edge(uint64_t site, uint64_t callee, uint32_t block) {
  Header& records = header();
  if (records.edges == kMaxEdges) return nullptr;
  auto index = static_cast<uint32_t>(records.edges);
  EdgeRecord& edge = edges()[index];
  edge = {.site_pc = site, .callee_pc = callee, .next = 0, .block = block, .index = index};
  records.edges = index + 1;
  return &edge;
}

void begin(const Block& block) {
  Header& records = header();
  current.counted = records.blocks < kMaxBlocks && records.lengths + block.count <= kMaxLengths;
  if (!current.counted) {
    ++records.lost_blocks;
    return;
  }
  current.block = static_cast<uint32_t>(records.blocks);
  auto* lengths = reinterpret_cast<uint8_t*>(kLengthsAt) + records.lengths;
  for (uint32_t i = 0; i < block.count; ++i) lengths[i] = block.instructions[i].length;
  blocks()[current.block] = {.app_pc = raw(block.tag),
                             .lengths = static_cast<uint32_t>(records.lengths),
                             .count = static_cast<uint16_t>(block.count),
                             .size = static_cast<uint16_t>(block.size)};
  records.lengths += block.count;
  records.blocks = current.block + 1;
  current.place = place_without_flags(block);
  current.flags_dead = current.place != kNowhere;
  if (!current.flags_dead) current.place = 0;
}

void emit_edge(Emitter& out, const Source& source) {
  const Instr& instr = source.instr;
  switch (instr.flow) {
    case Flow::kCall:
      if (EdgeRecord* edge = add_edge(raw(source.pc), instr.target, current.block))
        emit_direct_edge(out, mode, edge->index, true, source);
      return;
    case Flow::kJump: {
      uint64_t callee = function_start(AppPc{instr.target});
      if (callee != instr.target || callee == function_start(source.pc)) return;
      if (EdgeRecord* edge = add_edge(raw(source.pc), callee, current.block))
        emit_direct_edge(out, mode, edge->index, false, source);
      return;
    }
    case Flow::kJumpIndirect:
      // A jump through a register or an indexed table is a switch; one through a plain memory operand leaves the
      // function.
      if (!instr.mem.present || instr.mem.index != kNoReg) return;
      if (EdgeRecord* head = add_edge(raw(source.pc), 0, kNoBlock)) emit_indirect_edge(out, mode, source, head, false);
      return;
    case Flow::kCallIndirect:
      if (EdgeRecord* head = add_edge(raw(source.pc), 0, kNoBlock)) emit_indirect_edge(out, mode, source, head, true);
      return;
    case Flow::kReturn:
      emit_return(out, mode, source.offset);
      return;
    default:
      return;
  }
}

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  if (!current.counted) return;
  if (index == current.place)
    emit_count(out, mode, {current.block, block.count, raw(block.tag), current.flags_dead}, source);
  if (index + 1 == block.count) emit_edge(out, source);
}

// An indirect site has met a callee for the first time; its address was left in the first request argument.
uint32_t add_callee(ThreadContext& ctx, EdgeRecord* head, uint32_t retry) {
  ctx.app_pc = head->site_pc;
  EdgeRecord* edge = add_edge(head->site_pc, ctx.request_argument[0], kNoBlock);
  if (edge == nullptr) return head->block;  // the table is full: not counted
  edge->next = head->next;
  __atomic_store_n(&head->next, reinterpret_cast<uint64_t>(edge), __ATOMIC_RELEASE);
  return retry;
}

Frame* bottom_frame(const ThreadContext& ctx) {
  return in_slot<Frame>(ctx, kShadowStackOffset);
}

Frame* top_frame(const ThreadContext& ctx) {
  return reinterpret_cast<Frame*>(ctx.tool_stack) - 1;
}

uint32_t exit_taken(ThreadContext& ctx, uint64_t cookie, uint32_t retry) {
  uint64_t kind = cookie & ((1u << kExitKindBits) - 1);
  if (kind == kExitNewCallee) return add_callee(ctx, reinterpret_cast<EdgeRecord*>(cookie), retry);
  ctx.app_pc = cookie >> kExitKindBits;
  auto second = static_cast<uint32_t>((ctx.request_argument[0] >> 32) - 1);
  if (kind == kExitNewNode) {
    add_node(*top_frame(ctx), second);
  } else {
    add_counter(*top_frame(ctx), second);
  }
  return retry;
}

uint64_t ir_so_far(const ThreadContext& ctx) {
  uint64_t ir = 0;
  for (unsigned i = 0; i < kAccumulators; ++i) ir += *in_slot<uint64_t>(ctx, kAccumulatorOffset + 64 * i);
  return ir;
}

void clear_slot(const ThreadContext& ctx) {
  const Header& records = header();
  memset(in_slot<uint8_t>(ctx, kAccumulatorOffset), 0, 64 * kAccumulators);
  memset(in_slot<uint8_t>(ctx, kBlockCountOffset), 0, 8 * (mode.contexts ? records.counters : records.blocks));
  memset(in_slot<uint8_t>(ctx, kInclusiveOffset), 0, 8 * records.edges);
  memset(in_slot<uint8_t>(ctx, kCallsOffset), 0, 8 * records.edges);
  memset(in_slot<uint8_t>(ctx, kNodeInclusiveOffset), 0, 8 * records.nodes);
  memset(in_slot<uint8_t>(ctx, kNodeCallsOffset), 0, 8 * records.nodes);
  *in_slot<uint64_t>(ctx, kGenerationOffset) = vsup_state.generation;
}

void thread_started(ThreadContext& ctx) {
  if (*in_slot<uint64_t>(ctx, kGenerationOffset) != vsup_state.generation) clear_slot(ctx);
  Frame* bottom = bottom_frame(ctx);
  *bottom = {
      .sp = ~0ull, .ir = 0, .cost = 0, .context = 0, .unused = 0};  // above every stack pointer: ends every search
  ctx.tool_stack = reinterpret_cast<uint64_t>(bottom + 1);
}

// Leaves all functions: the slot may be another thread's before anybody reads it.
void thread_ending(ThreadContext& ctx) {
  uint64_t ir = ir_so_far(ctx);
  auto* inclusive = in_slot<uint64_t>(ctx, mode.tree ? kNodeInclusiveOffset : kInclusiveOffset);
  Frame* bottom = bottom_frame(ctx);
  for (Frame* frame = top_frame(ctx); frame > bottom; --frame) inclusive[frame->cost] += ir - frame->ir;
  ctx.tool_stack = reinterpret_cast<uint64_t>(bottom + 1);
}

// The child's frames entered before it was born: their cost counts from zero.
void forked(ThreadContext& ctx) {
  clear_slot(ctx);
  auto* end = reinterpret_cast<Frame*>(ctx.tool_stack);
  for (Frame* frame = bottom_frame(ctx); frame < end; ++frame) frame->ir = 0;
}

ClientAnswer client_request(ThreadContext&, const uint64_t* request) {
  const uint64_t tool = request[0] >> 16;
  const bool ours =
      tool == protocol::client_request::kDumpStats >> 16 || tool == protocol::client_request::kCachegrindStart >> 16;
  return ours ? ClientAnswer::kAskSupervisor : ClientAnswer::kUnknown;
}

constexpr Instrumenter kInstrumenter{begin, before, exit_taken, thread_started, thread_ending, forked, client_request};

void install() {
  mode = {.tree = has_tree() || has_contexts(), .contexts = has_contexts()};
  if (mode.tree) start_tree();
  set_instrumenter(&kInstrumenter);
}

}  // namespace

}  // namespace vsup::agent::callgrind

VSUP_TOOL(callgrind, vsup::agent::callgrind::install);
