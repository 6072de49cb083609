// Purpose: from an app pc to its fragment, and the index that leads the supervisor from a cache pc to it.
// Assumes: callers hold the engine lock.
#pragma once

#include "agent/engine/emitter.h"

namespace vsup::agent {

inline constexpr uint32_t kNoFragment = ~0u;

// Index of the fragment whose tag is `pc`, or kNoFragment.
uint32_t find_fragment(AppPc pc);

// Enters `info` (cache_start at the end of all earlier ones) and returns its index.
uint32_t add_fragment(const protocol::FragmentInfo& info);

// The same without being found by lookups.
uint32_t add_hidden_fragment(const protocol::FragmentInfo& info);

// What `out` has emitted from `entry` on, with its map, becomes a fragment of `app_size` bytes of code at `tag`; with
// kFragmentRemoved in `flags` a hidden one. Returns its index.
uint32_t end_fragment(const Emitter& out, const uint8_t* entry, AppPc tag, uint32_t app_size, uint32_t flags);

// All of them: none is left.
void forget_fragments();

// Lookups no longer find it; its code stays.
void remove_fragment(uint32_t index);

inline uint8_t* fragment_entry(uint32_t index) {
  return reinterpret_cast<uint8_t*>(protocol::kCacheBase + CodeCache::fragments()[index].cache_start);
}

}  // namespace vsup::agent
