#include "agent/tools/massif/instrument.h"

#include <stddef.h>

#include "agent/engine/instrumenter.h"
#include "agent/engine/link.h"
#include "agent/heap/heap_alone.h"
#include "agent/tools/massif/snapshots.h"
#include "agent/tools/massif/thread_stacks.h"
#include "agent/x86/decoder.h"

namespace vsup::agent::massif {

namespace {

using protocol::ThreadContext;

bool stacks;

void begin(const Block&) {}

// Or raises it.
bool lowers_stack(const Instr& instruction) {
  Effects what;
  effects(instruction, what);
  return (what.gpr_written & 1u << protocol::kRsp) != 0;
}

// cmp rsp, gs:[limit] ; jb to the tool
void emit_stack_check(Emitter& out, const Source& source) {
  const uint8_t* retry = out.here();
  out.spill(protocol::kRax);
  out.cover(source.offset);
  out.save_flags();
  out.gs_absolute(0x3b, protocol::kRsp, kThreadStackOffset + offsetof(ThreadStack, limit));
  out.bytes({0x0f, 0x82});
  uint8_t* below = out.place_rel32();
  out.restore_flags();
  out.unspill(protocol::kRax);
  out.cover(source.offset, {.step = true});
  ColdToolExit cold;
  cold.out.restore_flags();
  cold.out.unspill(protocol::kRax);
  Emitter::land(below, cold.finish(raw(source.pc), retry));
}

uint32_t exit_taken(ThreadContext& ctx, uint64_t pc, uint32_t retry) {
  ctx.app_pc = pc;
  take_instructions(ctx, 0);
  measure_stack(ctx);
  return retry;
}

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  if (stacks && index != 0 && lowers_stack(block.instructions[index - 1]) && !lowers_stack(block.instructions[index]))
    emit_stack_check(out, source);
  if (index != 0) return;
  out.spill(protocol::kRcx);
  out.cover(source.offset);
  out.add_keeping_flags(kInstructionsOffset, block.count, protocol::kRcx);
  out.unspill(protocol::kRcx);
  out.cover(source.offset, {.step = true});
}

uint64_t& count_of(const ThreadContext& ctx) {
  return *reinterpret_cast<uint64_t*>(ctx.self + kInstructionsOffset);
}

void thread_started(ThreadContext& ctx) {
  count_of(ctx) = 0;
  ctx.tool_stack = 1;
  if (stacks) start_stack(ctx);
}

void thread_ending(ThreadContext& ctx) {
  take_instructions(ctx, 0);
  if (stacks) end_stack(ctx);
}

// The child's time goes on where its parent's was.
void forked(ThreadContext& ctx) {
  if (stacks) keep_own_stack(ctx);
}

constexpr Instrumenter kInstrumenter{.begin = begin,
                                     .before = before,
                                     .exit_taken = exit_taken,
                                     .thread_started = thread_started,
                                     .thread_ending = thread_ending,
                                     .forked = forked};

}  // namespace

void count_instructions() {
  stacks = vsup_settings.tool_options[kOptionStacks] != 0;
  set_instrumenter(&kInstrumenter);
}

void take_instructions(ThreadContext& ctx, unsigned own_instructions) {
  heap_add(header().instructions, count_of(ctx) - own_instructions);
  count_of(ctx) = 0;
}

}  // namespace vsup::agent::massif
