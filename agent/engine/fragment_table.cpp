#include "agent/engine/fragment_table.h"

#include "agent/base/memory.h"
#include "agent/engine/verify.h"

namespace vsup::agent {

namespace {

// Neighbours lie together, as they are looked for together; each 4 MiB of code begin at a place of their own.
uint32_t bucket_of(uint64_t pc) {
  return static_cast<uint32_t>((pc >> 3) + ((pc >> 22) * 0x9e37'79b9'7f4a'7c15 >> 45)) & (CodeCache::kBuckets - 1);
}
static_assert(CodeCache::kBuckets == 1u << (64 - 45));

}  // namespace

uint32_t find_fragment(AppPc pc) {
  const protocol::FragmentInfo* fragments = CodeCache::fragments();
  for (uint32_t link = CodeCache::buckets()[bucket_of(raw(pc))]; link != 0; link = fragments[link - 1].hash_next)
    if (fragments[link - 1].app_pc == raw(pc)) return link - 1;
  return kNoFragment;
}

uint32_t add_fragment(const protocol::FragmentInfo& info) {
  const uint32_t index = add_hidden_fragment(info);
  uint32_t& bucket = CodeCache::buckets()[bucket_of(info.app_pc)];
  CodeCache::fragments()[index].hash_next = bucket;
  bucket = index + 1;
  return index;
}

uint32_t add_hidden_fragment(const protocol::FragmentInfo& info) {
  const auto index = static_cast<uint32_t>(vsup_state.fragment_count);
  CodeCache::fragments()[index] = info;
  uint32_t first = info.cache_start >> protocol::kChunkShift;
  uint32_t last = (info.cache_start + info.cache_size - 1) >> protocol::kChunkShift;
  for (uint32_t chunk = first; chunk <= last; ++chunk)
    if (CodeCache::chunk_first()[chunk] == 0) CodeCache::chunk_first()[chunk] = index + 1;
  vsup_state.fragment_count = index + 1;
  return index;
}

uint32_t end_fragment(const Emitter& out, const uint8_t* entry, AppPc tag, uint32_t app_size, uint32_t flags) {
  const protocol::FragmentInfo info{
      .app_pc = raw(tag),
      .cache_start = cache_offset(entry),
      .cache_size = static_cast<uint32_t>(out.here() - entry),
      .map_offset = static_cast<uint32_t>(code_cache.map_used()),
      .map_size = static_cast<uint16_t>(out.map_size()),
      .app_size = static_cast<uint16_t>(app_size),
      .hash_next = 0,
      .flags = flags,
  };
  const bool hidden = (flags & protocol::kFragmentRemoved) != 0;
  const uint32_t index = hidden ? add_hidden_fragment(info) : add_fragment(info);
  code_cache.set_map_used(code_cache.map_used() + out.map_size());
  code_cache.set_hot(out.here());
  if (vsup_settings.verify != 0) verify_fragment(index);
  return index;
}

void forget_fragments() {
  const uint64_t count = vsup_state.fragment_count;
  if (count > CodeCache::kBuckets / 16) {
    memset(CodeCache::buckets(), 0, CodeCache::kBuckets * sizeof(uint32_t));
  } else {
    for (uint64_t i = 0; i < count; ++i) CodeCache::buckets()[bucket_of(CodeCache::fragments()[i].app_pc)] = 0;
  }
  vsup_state.fragment_count = 0;
}

void remove_fragment(uint32_t index) {
  protocol::FragmentInfo* fragments = CodeCache::fragments();
  uint32_t* link = &CodeCache::buckets()[bucket_of(fragments[index].app_pc)];
  while (*link != index + 1) link = &fragments[*link - 1].hash_next;
  *link = fragments[index].hash_next;
  fragments[index].flags |= protocol::kFragmentRemoved;
}

}  // namespace vsup::agent
