#include "agent/engine/code_cache.h"

#include "agent/base/memory.h"
#include "agent/engine/fragment_table.h"

vsup::protocol::AgentState vsup_state;

namespace vsup::agent {

CodeCache code_cache;

void CodeCache::initialize() {
  vsup_state.fragments = reinterpret_cast<uint64_t>(fragments());
  vsup_state.state_maps = reinterpret_cast<uint64_t>(state_maps());
  vsup_state.chunk_first = reinterpret_cast<uint64_t>(chunk_first());
  vsup_state.generation = 1;
}

bool CodeCache::full() const {
  if (vsup_state.flush_wanted != 0) return true;
  // Simulated accesses may take a block twice what others need at most.
  constexpr uint64_t kMost = protocol::kCacheHotSize - kHeadroom;
  const uint64_t limit = vsup_settings.cache_limit < kMost ? vsup_settings.cache_limit : kMost;
  if (vsup_state.cache_used + kHeadroom > limit && translations_ > 0) return true;
  if (vsup_settings.flush_every != 0 && translations_ >= vsup_settings.flush_every) return true;
  // Code that is made without asking here again.
  const uint64_t later = kSideRoom * side_count_;
  // The cold area has most of what is emitted around simulated accesses.
  return vsup_state.cache_used + kHeadroom + later > protocol::kCacheHotSize ||
         vsup_state.cold_used + 2 * kHeadroom + later > protocol::kColdSize ||
         literal_used_ + kHeadroom > protocol::kLiteralSize || map_used_ + kHeadroom + later > kMapBytes ||
         vsup_state.fragment_count + 64 + side_count_ > kMaxFragments || link_count_ + 1024 + side_count_ > kMaxLinks ||
         side_count_ + 64 > kMaxSides;
}

void CodeCache::reset() {
  memset(thunk_heads(), 0, protocol::kBranchTableEntries * sizeof(uint32_t));
  memset(thunk_of(), 0, vsup_state.fragment_count * sizeof(uint32_t));
  memset(chunk_first(), 0, ((vsup_state.cache_used >> protocol::kChunkShift) + 2) * sizeof(uint32_t));
  vsup_state.flush_wanted = 0;
  vsup_state.cache_used = 0;
  vsup_state.cold_used = 0;
  forget_fragments();
  link_count_ = 1;
  side_count_ = 0;
  literal_used_ = 0;
  map_used_ = 0;
  translations_ = 0;
  ++epoch_;
}

uint8_t* CodeCache::add_literal(uint64_t value) {
  auto* literal = reinterpret_cast<uint8_t*>(protocol::kLiteralBase + literal_used_);
  literal_used_ += sizeof value;
  store(literal, value);
  return literal;
}

uint32_t CodeCache::add_link(const LinkRecord& record) {
  links()[link_count_] = record;
  return link_count_++;
}

uint32_t CodeCache::add_side(const SideRecord& record) {
  sides()[side_count_] = record;
  return side_count_++;
}

}  // namespace vsup::agent
