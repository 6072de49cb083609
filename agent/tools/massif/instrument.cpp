#include "agent/tools/massif/instrument.h"

#include "agent/engine/instrumenter.h"
#include "agent/heap/heap_alone.h"
#include "agent/tools/massif/snapshots.h"

namespace vsup::agent::massif {

namespace {

using protocol::ThreadContext;

void begin(const Block&) {}

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
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
}

void thread_ending(ThreadContext& ctx) {
  take_instructions(ctx, 0);
}

// The child's time goes on where its parent's was.
void forked(ThreadContext&) {}

constexpr Instrumenter kInstrumenter{.begin = begin,
                                     .before = before,
                                     .exit_taken = nullptr,
                                     .thread_started = thread_started,
                                     .thread_ending = thread_ending,
                                     .forked = forked};

}  // namespace

void count_instructions() {
  set_instrumenter(&kInstrumenter);
}

void take_instructions(ThreadContext& ctx, unsigned own_instructions) {
  heap_add(header().instructions, count_of(ctx) - own_instructions);
  count_of(ctx) = 0;
}

}  // namespace vsup::agent::massif
