#include "agent/engine/side_exits.h"

#include "agent/engine/code_regions.h"
#include "agent/engine/fragment_table.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/link.h"

namespace vsup::agent {

namespace {

// Where the jump's block goes on behind it, in bytes from the block's tag.
uint32_t behind(const SideRecord& side) {
  return side.at + side.length;
}

void emit_code(Emitter& out, const SideExit& counts, const SideRecord& side, uint32_t block_size, AppPc target) {
  if (counts.flags_dead) {
    if (counts.counter != 0) out.add_to(counts.counter, 1);
    out.count_to(behind(side), protocol::StateKind::kStepExiting);
    out.add_to(counts.sum, 0 - counts.instructions);
  } else {
    out.spill(protocol::kRcx);
    if (counts.counter != 0) out.add_keeping_flags(counts.counter, 1, protocol::kRcx);
    out.count_to(behind(side), protocol::StateKind::kStepExiting);
    out.add_keeping_flags(counts.sum, 0 - counts.instructions, protocol::kRcx);
  }
  out.cover(behind(side), {.step = true});
  // From here on there is nothing to take back.
  out.set_kind(protocol::StateKind::kExact);
  if (!counts.flags_dead) out.unspill(protocol::kRcx);
  emit_exit(out, LinkKind::kDirect, target);
  out.cover(block_size, {.step = true});
}

// Returns where it begins.
uint32_t make_code(const SideRecord& side, AppPc target) {
  const protocol::FragmentInfo block = CodeCache::fragments()[side.fragment];
  const AppPc tag{block.app_pc};
  const SideExit counts = instrumenter()->side_exit(
      {side.block, side.passed, behind(side), raw(target), trusted_code(code_region_at(tag))});
  uint8_t* start = code_cache.hot();
  Emitter out(start, CodeCache::state_maps() + code_cache.map_used());
  emit_code(out, counts, side, block.app_size, target);
  end_fragment(out, start, tag, block.app_size, protocol::kFragmentRemoved);
  return cache_offset(start);
}

}  // namespace

void follow_side_exit(protocol::ThreadContext& ctx, uint32_t number, AppPc target) {
  SideRecord& side = CodeCache::sides()[number];
  constexpr uint32_t kOpcodeBytes = 2;
  ctx.app_pc = CodeCache::fragments()[side.fragment].app_pc + side.at;
  ctx.next_cache_pc = protocol::kCacheBase + side.place - kOpcodeBytes;
  if (side.made) return;  // another thread came first
  patch_branch(side.place, make_code(side, target));
  side.made = 1;
}

}  // namespace vsup::agent
