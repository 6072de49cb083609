// Purpose: the cachegrind tool: executions of each block, by thread, and the simulation of caches and branches. Its
// records are callgrind's, without calls.
#include "agent/base/memory.h"
#include "agent/engine/instrumenter.h"
#include "agent/toolapi/tool.h"
#include "agent/tools/cachesim/instrument.h"
#include "agent/tools/callgrind/tables.h"
#include "agent/tools/callgrind/thread_counts.h"
#include "protocol/client_requests.h"

namespace vsup::agent::cachegrind {

namespace {

using namespace callgrind;
using protocol::ThreadContext;

bool counted;  // the block that is being translated

void begin(const Block& block) {
  const auto index = static_cast<uint32_t>(header().blocks);
  counted = has_room_for(block.count) &&
            cachesim::begin(block, static_cast<uint32_t>(header().lengths),
                            {kBlockCountOffset + 8 * index, kAccumulatorOffset + 64 * (index % kAccumulators)});
  if (counted) {
    add_block(block);
  } else {
    ++header().lost_blocks;
  }
}

void before(Emitter& out, const Block& block, uint32_t index, const Source& source) {
  if (!counted) return;
  const uint8_t* start = out.here();
  cachesim::before(out, block, index, source);
  if (index + 1 == block.count && out.here() != start && is_branch(source.instr.flow))
    out.set_kind(protocol::StateKind::kLeaving);
}

uint64_t& generation_of(const ThreadContext& ctx) {
  return *reinterpret_cast<uint64_t*>(ctx.self + kGenerationOffset);
}

void clear_slot(const ThreadContext& ctx) {
  memset(reinterpret_cast<void*>(ctx.self + kAccumulatorOffset), 0, size_t{64} * kAccumulators);
  memset(reinterpret_cast<void*>(ctx.self + kBlockCountOffset), 0, 8 * header().blocks);
  clear_cuts(ctx);
  cachesim::clear_counts(ctx);
  generation_of(ctx) = vsup_state.generation;
}

void thread_started(ThreadContext& ctx) {
  if (generation_of(ctx) != vsup_state.generation) clear_slot(ctx);
  cachesim::empty_caches(ctx);
  ctx.tool_stack = ctx.self + kShadowStackOffset + sizeof(Frame);  // no frame but the one at the bottom
}

void thread_ending(ThreadContext&) {}

void forked(ThreadContext& ctx) {
  clear_slot(ctx);
}

// What starts and stops instrumentation is the supervisor's.
ClientAnswer client_request(ThreadContext&, const uint64_t* request) {
  const bool ours = request[0] >> 16 == protocol::client_request::kCachegrindStart >> 16;
  return ours ? ClientAnswer::kAskSupervisor : ClientAnswer::kUnknown;
}

constexpr Instrumenter kInstrumenter{.begin = begin,
                                     .before = before,
                                     .exit_taken = cachesim::exit_taken,
                                     .thread_started = thread_started,
                                     .thread_ending = thread_ending,
                                     .forked = forked,
                                     .client_request = client_request,
                                     .counts_blocks = true};

void install() {
  cachesim::configure();
  set_instrumenter(&kInstrumenter);
}

}  // namespace

}  // namespace vsup::agent::cachegrind

VSUP_TOOL(cachegrind, vsup::agent::cachegrind::install);
