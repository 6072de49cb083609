#include "agent/engine/code_regions.h"

#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/code_cache.h"

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
  vsup_service_query();
  count(protocol::kCounter_map_queries);
  uint64_t flags = ctx->request_result[2];
  bool immutable = (flags & protocol::kMapFile) != 0 && (flags & protocol::kMapWritable) == 0;
  return {ctx->request_result[0], ctx->request_result[1],
          (flags & protocol::kMapPresent) != 0 && (flags & protocol::kMapExecutable) != 0,
          !immutable || vsup_settings.check_all != 0, false};
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
  last_hit = region_count++;
  regions[last_hit] = answer;
  return regions[last_hit];
}

bool code_regions_change(uint64_t start, uint64_t end) {
  bool must_flush = false;
  for (uint32_t i = 0; i < region_count;) {
    if (regions[i].start >= end || start >= regions[i].end) {
      ++i;
      continue;
    }
    must_flush |= regions[i].has_code && !regions[i].checked;
    regions[i] = regions[--region_count];
  }
  return must_flush;
}

void code_regions_reset() { region_count = 0; }

}  // namespace vsup::agent
