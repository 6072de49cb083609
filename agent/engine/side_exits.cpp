#include "agent/engine/side_exits.h"

#include "agent/engine/fragment_table.h"
#include "agent/engine/link.h"
#include "agent/engine/verify.h"

namespace vsup::agent {

namespace {

void emit_one(Emitter& out, const SideExits::Jump& jump) {
  const SideExit& counts = jump.counts;
  if (counts.flags_dead) {
    out.add_to(counts.counter, 1);
    out.count_to(jump.behind, protocol::StateKind::kStepExiting);
    out.add_to(counts.sum, 0 - counts.instructions);
  } else {
    out.spill(protocol::kRcx);
    out.add_keeping_flags(counts.counter, 1, protocol::kRcx);
    out.count_to(jump.behind, protocol::StateKind::kStepExiting);
    out.add_keeping_flags(counts.sum, 0 - counts.instructions, protocol::kRcx);
  }
  out.cover(jump.behind, {.step = true});
  // From here on there is nothing to take back.
  out.set_kind(protocol::StateKind::kExact);
  if (!counts.flags_dead) out.unspill(protocol::kRcx);
  emit_exit(out, LinkKind::kDirect, jump.target);
  out.cover(jump.size, {.step = true});
}

}  // namespace

void SideExits::emit() const {
  for (unsigned i = 0; i < count_; ++i) {
    const Jump& jump = jumps_[i];
    uint8_t* start = code_cache.hot();
    Emitter out(start, CodeCache::state_maps() + code_cache.map_used());
    Emitter::land(jump.place, start);
    emit_one(out, jump);
    const uint32_t index = add_hidden_fragment({
        .app_pc = raw(jump.tag),
        .cache_start = cache_offset(start),
        .cache_size = static_cast<uint32_t>(out.here() - start),
        .map_offset = static_cast<uint32_t>(code_cache.map_used()),
        .map_size = static_cast<uint16_t>(out.map_size()),
        .app_size = static_cast<uint16_t>(jump.size),
        .hash_next = 0,
        .flags = protocol::kFragmentRemoved,
    });
    code_cache.set_map_used(code_cache.map_used() + out.map_size());
    code_cache.set_hot(out.here());
    if (vsup_settings.verify != 0) verify_fragment(index);
  }
}

}  // namespace vsup::agent
