#include "agent/heap/chunk_table.h"

#include "agent/heap/heap_lock.h"
#include "protocol/heap.h"

namespace vsup::agent {

namespace {

using namespace protocol;

constexpr unsigned kShardBits = 6;
constexpr unsigned kShards = 1u << kShardBits;
constexpr uint32_t kHeadsPerShard = 2u << 20;
constexpr uint32_t kFirstBuckets = 64;
constexpr uint32_t kNodesPerChunk = 64;

using Node = ChunkNode;
static_assert(kChunkHeadsBase + uint64_t{kShards} * kHeadsPerShard * sizeof(uint32_t) <= kChunkNodesBase);

struct alignas(64) Shard {
  HeapLock lock;
  uint32_t count;    // blocks
  uint32_t buckets;  // 0: never used
  uint32_t free;     // first unused node
  uint32_t fresh;    // nodes from here to fresh_end were never used
  uint32_t fresh_end;
};
Shard shards[kShards];

HeapControl& control() {
  return *reinterpret_cast<HeapControl*>(kHeapLayerBase);
}
Node* nodes() {
  return reinterpret_cast<Node*>(kChunkNodesBase);
}

// The bits for the shard are the top ones, those for the bucket begin at kBucketShift. The lowest six of these are the
// place within 1 KiB of the app's heap, so that neighbours share cache lines of heads, and their nodes mostly do, too;
// turned by the hash of the kilobyte, so that blocks at the same place of theirs do not meet in one bucket.
constexpr unsigned kBucketShift = 26;
uint64_t hash_of(uint64_t address) {
  uint64_t spread = (address >> 10) * 0x9e37'79b9'7f4a'7c15;
  uint64_t place = ((address >> 4) ^ (spread >> 52)) & 63;
  return (spread & ~(uint64_t{63} << kBucketShift)) | place << kBucketShift;
}
Shard& shard_of(uint64_t hash) {
  return shards[hash >> (64 - kShardBits)];
}
// The heads of all shards lie together, 64 of each in turn: as many as are used are in few pages.
uint32_t& head_of(const Shard& shard, uint32_t bucket) {
  auto number = static_cast<uint64_t>(&shard - shards);
  uint64_t place = ((uint64_t{bucket} >> 6 << kShardBits) + number) << 6 | (bucket & 63);
  return reinterpret_cast<uint32_t*>(kChunkHeadsBase)[place];
}
uint32_t bucket_bits(uint64_t hash) {
  return static_cast<uint32_t>(hash >> kBucketShift);
}

uint32_t bucket_of(const Shard& shard, uint64_t hash) {
  uint32_t level = 31u - static_cast<uint32_t>(__builtin_clz(shard.buckets));
  uint32_t low = (1u << level) - 1;
  uint32_t bucket = bucket_bits(hash) & (low << 1 | 1);
  return bucket < shard.buckets ? bucket : bucket & low;
}

uint64_t address_of(const Node& node) {
  return node.address_and_more & kChunkAddressMask;
}

// A chain is never longer than this; one that is was damaged, by a fork in the middle of a change.
constexpr unsigned kLongestChain = 1u << 16;

// Adds a bucket and moves there what belongs to it.
void split(Shard& shard) {
  if (shard.buckets == kHeadsPerShard) return;
  uint32_t fresh = shard.buckets;
  uint32_t level = 31u - static_cast<uint32_t>(__builtin_clz(fresh));
  uint32_t* from = &head_of(shard, fresh & ((1u << level) - 1));
  uint32_t* to = &head_of(shard, fresh);
  *to = 0;
  ++shard.buckets;
  for (unsigned steps = 0; *from != 0 && steps < kLongestChain; ++steps) {
    uint32_t index = *from;
    Node& node = nodes()[index];
    if ((bucket_bits(hash_of(address_of(node))) & (1u << level)) == 0) {
      from = &node.next;
      continue;
    }
    *from = node.next;
    node.next = *to;
    *to = index;
  }
}

uint32_t take_node(Shard& shard) {
  if (shard.free != 0) {
    uint32_t index = shard.free;
    shard.free = nodes()[index].next;
    return index;
  }
  if (shard.fresh == shard.fresh_end) {
    uint64_t first = __atomic_fetch_add(&control().node_count, kNodesPerChunk, __ATOMIC_RELAXED);
    if (first + kNodesPerChunk > kMaxChunkNodes) {
      __atomic_fetch_sub(&control().node_count, kNodesPerChunk, __ATOMIC_RELAXED);
      return 0;
    }
    shard.fresh = static_cast<uint32_t>(first);
    shard.fresh_end = shard.fresh + kNodesPerChunk;
    if (first == 0) ++shard.fresh;  // index 0 is none
  }
  return shard.fresh++;
}

HeapBlock unpack(const Node& node) {
  return {.address = address_of(node),
          .size = node.size_low | uint64_t{node.size_high} << 32,
          .stack = node.stack,
          .slack = node.slack,
          .function = static_cast<uint8_t>(node.address_and_more >> 48),
          .mark = static_cast<uint8_t>(node.address_and_more >> 56),
          .present = 1};
}

void pack(Node& node, const HeapBlock& block) {
  node.address_and_more =
      (block.address & kChunkAddressMask) | uint64_t{block.function} << 48 | uint64_t{block.mark} << 56;
  node.size_low = static_cast<uint32_t>(block.size);
  node.size_high = static_cast<uint16_t>(block.size >> 32);
  node.slack = block.slack;
  node.stack = block.stack;
}

// The link that leads to the block's node; null: it is not there. Locked.
uint32_t* find_locked(Shard& shard, uint64_t hash, uint64_t address) {
  if (shard.buckets == 0) return nullptr;
  uint32_t* link = &head_of(shard, bucket_of(shard, hash));
  for (unsigned steps = 0; *link != 0 && steps < kLongestChain; ++steps) {
    Node& node = nodes()[*link];
    if (address_of(node) == address) return link;
    link = &node.next;
  }
  return nullptr;
}

}  // namespace

TableInsertion table_insert(const HeapBlock& block, HeapBlock& former) {
  uint64_t hash = hash_of(block.address);
  Shard& shard = shard_of(hash);
  HeapLockGuard guard(shard.lock);
  if (uint32_t* known = find_locked(shard, hash, block.address)) [[unlikely]] {
    former = unpack(nodes()[*known]);
    pack(nodes()[*known], block);
    return TableInsertion::kReplaced;
  }
  uint32_t index = take_node(shard);
  if (index == 0) [[unlikely]] {
    __atomic_fetch_add(&control().lost_blocks, 1, __ATOMIC_RELAXED);
    return TableInsertion::kFull;
  }
  if (shard.buckets == 0) shard.buckets = kFirstBuckets;
  if (++shard.count > shard.buckets) split(shard);
  Node& node = nodes()[index];
  pack(node, block);
  uint32_t& head = head_of(shard, bucket_of(shard, hash));
  node.next = head;
  head = index;
  return TableInsertion::kNew;
}

bool table_remove(uint64_t address, HeapBlock& block) {
  uint64_t hash = hash_of(address);
  Shard& shard = shard_of(hash);
  HeapLockGuard guard(shard.lock);
  uint32_t* link = find_locked(shard, hash, address);
  if (link == nullptr) return false;
  uint32_t index = *link;
  Node& node = nodes()[index];
  block = unpack(node);
  *link = node.next;
  node.address_and_more = 0;
  node.next = shard.free;
  shard.free = index;
  --shard.count;
  return true;
}

void table_lock_all() {
  for (Shard& shard : shards) shard.lock.lock();
}

void table_unlock_all() {
  for (Shard& shard : shards) shard.lock.unlock();
}

}  // namespace vsup::agent
