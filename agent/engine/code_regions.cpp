#include "agent/engine/code_regions.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/code_cache.h"
#include "agent/engine/trap_guard.h"

namespace vsup::agent {

namespace {

// Few regions hold code. One that finds no room is forgotten at once, and its blocks check themselves.
constexpr uint32_t kMaxRegions = 4096;
CodeRegion regions[kMaxRegions];
uint32_t region_count = 0;
uint32_t last_hit = 0;
CodeRegion unremembered;

CodeRegion query(uint64_t pc) {
  protocol::ThreadContext* ctx = current_context();
  ctx->request_argument[0] = pc;
  ctx->service = static_cast<uint64_t>(protocol::Service::kQueryMap);
  unblock_trap(*ctx);
  vsup_service_query();
  reblock_trap(*ctx);
  count(protocol::kCounter_map_queries);
  uint64_t flags = ctx->request_result[2];
  bool immutable = (flags & protocol::kMapFile) != 0 && (flags & (protocol::kMapWritable | protocol::kMapShared)) == 0;
  return {.start = ctx->request_result[0],
          .end = ctx->request_result[1],
          .executable = (flags & protocol::kMapPresent) != 0 && (flags & protocol::kMapExecutable) != 0,
          .checked = !immutable || vsup_settings.check_all != 0,
          .writable = (flags & protocol::kMapWritable) != 0,
          .has_code = false,
          .module = (flags & protocol::kMapFile) != 0 ? ctx->request_result[0] - ctx->request_result[3] : 0,
          .gate = nullptr};
}

}  // namespace

CodeRegion& code_region_at(AppPc app_pc) {
  uint64_t pc = raw(app_pc);
  if (last_hit < region_count && pc >= regions[last_hit].start && pc < regions[last_hit].end) return regions[last_hit];
  for (uint32_t i = 0; i < region_count; ++i) {
    if (pc >= regions[i].start && pc < regions[i].end) {
      last_hit = i;
      return regions[i];
    }
  }
  CodeRegion answer = query(pc);
  if (!answer.executable || region_count == kMaxRegions) {
    answer.checked = true;
    unremembered = answer;
    return unremembered;
  }
  if (answer.checked) answer.gate = code_cache.add_literal(0);
  last_hit = region_count++;
  regions[last_hit] = answer;
  return regions[last_hit];
}

namespace {

void set_gate(const CodeRegion& region, bool closed) {
  if (region.gate != nullptr)
    __atomic_store_n(reinterpret_cast<uint64_t*>(region.gate), closed ? 1 : 0, __ATOMIC_RELEASE);
}

// Forgets region `i`; its checked blocks do not run again.
bool forget_region(uint32_t i) {
  bool unnoticed = regions[i].has_code && !regions[i].checked;
  set_gate(regions[i], true);
  regions[i] = regions[--region_count];
  return unnoticed;
}

bool overlaps(const CodeRegion& region, uint64_t start, uint64_t end) {
  return region.start < end && start < region.end;
}

}  // namespace

bool code_regions_replaced(uint64_t start, uint64_t end) {
  bool unnoticed = false;
  for (uint32_t i = region_count; i-- > 0;)
    if (overlaps(regions[i], start, end)) unnoticed |= forget_region(i);
  return unnoticed;
}

bool code_regions_protected(uint64_t start, uint64_t end, bool executable, bool writable) {
  bool unnoticed = false;
  for (uint32_t i = region_count; i-- > 0;) {
    CodeRegion& region = regions[i];
    if (!overlaps(region, start, end)) continue;
    bool whole = start <= region.start && region.end <= end;
    // Blocks of a region that was not writable do not end after stores.
    if (!whole || !region.checked || (writable && executable && !region.writable)) {
      unnoticed |= forget_region(i);
      continue;
    }
    region.executable = executable;
    set_gate(region, !executable);
  }
  return unnoticed;
}

void code_regions_reset() {
  region_count = 0;
}

}  // namespace vsup::agent
