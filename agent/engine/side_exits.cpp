#include "agent/engine/side_exits.h"

#include "agent/engine/code_regions.h"
#include "agent/engine/fragment_table.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/link.h"
#include "agent/engine/verify.h"

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
  const CodeRegion& region = code_region_at(AppPc{block.app_pc});
  const SideExit counts =
      instrumenter()->side_exit({side.block, side.passed, behind(side), raw(target), {region.start, region.end}});
  uint8_t* start = code_cache.hot();
  Emitter out(start, CodeCache::state_maps() + code_cache.map_used());
  emit_code(out, counts, side, block.app_size, target);
  const uint32_t index = add_hidden_fragment({
      .app_pc = block.app_pc,
      .cache_start = cache_offset(start),
      .cache_size = static_cast<uint32_t>(out.here() - start),
      .map_offset = static_cast<uint32_t>(code_cache.map_used()),
      .map_size = static_cast<uint16_t>(out.map_size()),
      .app_size = block.app_size,
      .hash_next = 0,
      .flags = protocol::kFragmentRemoved,
  });
  code_cache.set_map_used(code_cache.map_used() + out.map_size());
  code_cache.set_hot(out.here());
  if (vsup_settings.verify != 0) verify_fragment(index);
  return cache_offset(start);
}

}  // namespace

const uint8_t* add_side_exit(const SideRecord& side, AppPc target) {
  return add_side_stub(target, code_cache.add_side(side));
}

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
