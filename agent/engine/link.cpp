#include "agent/engine/link.h"

#include "agent/base/check.h"
#include "agent/base/context.h"
#include "agent/base/entry_points.h"

namespace vsup::agent {

namespace {

// `cold` ends in the exit of this record.
void end_in_exit(Emitter& cold, const LinkRecord& record,
                 const void* exit = reinterpret_cast<const void*>(&vsup_exit)) {
  cold.exit_stub(code_cache.add_link(record), exit);
  code_cache.set_cold(cold.here());
}

const uint8_t* emit_stub(const LinkRecord& record, const void* exit = reinterpret_cast<const void*>(&vsup_exit)) {
  uint8_t* stub = code_cache.cold();
  Emitter cold(stub, nullptr);
  end_in_exit(cold, record, exit);
  return stub;
}

// Null: not translated yet.
const uint8_t* code_of(AppPc target, const Emitter& out) {
  if (const uint8_t* start = out.start_of(target)) return start;
  const uint32_t known = find_fragment(target);
  return known != kNoFragment ? fragment_entry(known) : nullptr;
}

}  // namespace

void emit_tool_exit(Emitter& out, uint64_t cookie, const uint8_t* retry) {
  out.jump(emit_stub({cookie, cache_offset(retry), LinkKind::kTool}));
}

const uint8_t* add_tool_exit(const uint8_t* door, uint64_t cookie, const uint8_t* retry) {
  return emit_stub({cookie, cache_offset(retry), LinkKind::kTool}, door);
}

const uint8_t* ColdToolExit::finish(uint64_t cookie, const uint8_t* retry) {
  end_in_exit(out, {cookie, cache_offset(retry), LinkKind::kTool});
  return start_;
}

const uint8_t* add_side_stub(AppPc target, uint32_t number) {
  return emit_stub({raw(target), number, LinkKind::kSide});
}

void emit_x87_exit(Emitter& out, AppPc pc, uint32_t length) {
  out.jump(emit_stub({raw(pc), length, LinkKind::kX87}));
}

void emit_exit(Emitter& out, LinkKind kind, AppPc target, uint8_t jcc) {
  const bool patchable = vsup_settings.link != 0 && kind == LinkKind::kDirect;
  if (const uint8_t* code = patchable ? code_of(target, out) : nullptr) {
    out.branch(code, jcc);
    return;
  }
  out.align_patch_site(jcc != 0 ? 2 : 1);
  out.branch_opcode(jcc);
  uint8_t* site = out.here();
  const uint8_t* stub = emit_stub({raw(target), patchable ? cache_offset(site) : 0, kind});
  out.u32(static_cast<uint32_t>(stub - (site + 4)));
}

void patch_branch(uint32_t site, uint32_t target) {
  VS_CHECK((site & 15) <= 12, site);
  __atomic_store_n(reinterpret_cast<uint32_t*>(protocol::kCacheBase + site), target - (site + 4), __ATOMIC_RELEASE);
}

void link_exit(uint32_t link, uint32_t index) {
  const uint32_t site = CodeCache::links()[link].site();
  if (site == 0) return;
  patch_branch(site, cache_offset(fragment_entry(index)));
  count(protocol::kCounter_links);
}

void forward_fragment(uint32_t removed, uint32_t replacement) {
  uint8_t* entry = fragment_entry(removed);
  VS_CHECK((reinterpret_cast<uint64_t>(entry) & 7) == 0, reinterpret_cast<uint64_t>(entry));
  auto distance = static_cast<uint32_t>(fragment_entry(replacement) - (entry + 5));
  // The first instruction of a checked fragment is nine bytes long, so no thread stands inside these eight.
  uint64_t code = (load<uint64_t>(entry) & ~0xff'ffff'ffffull) | 0xe9 | static_cast<uint64_t>(distance) << 8;
  __atomic_store_n(reinterpret_cast<uint64_t*>(entry), code, __ATOMIC_RELEASE);
}

}  // namespace vsup::agent
