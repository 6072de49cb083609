#include "agent/callstack/stack_depot.h"

#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

constexpr uint64_t kSpread = 0x9e37'79b9'7f4a'7c15;

CallstackControl& control() {
  return *reinterpret_cast<CallstackControl*>(kCallstackBase);
}

StackNode& node(uint32_t id) {
  return reinterpret_cast<StackNode*>(kDepotBase)[id];
}

uint64_t hash_of(uint32_t parent, uint64_t frame) {
  // Ids and frames differ in their low bits alike, so they are mixed apart: their xor would let them cancel.
  uint64_t hash = (frame * kSpread) ^ parent;
  return (hash ^ hash >> 32) * kSpread;
}

// A new stack is a row of new nodes, each the parent of the next, so neighbours as parents share a line of buckets: the
// row touches a few lines that follow each other, where buckets by hash alone would miss the cache at each node.
uint32_t& near_bucket(uint32_t parent, uint64_t hash) {
  constexpr uint32_t kLine = 64 / sizeof(uint32_t), kMask = (1u << kDepotBucketBits) - 1;
  uint32_t in_line = hash >> 32 & (kLine - 1);
  return reinterpret_cast<uint32_t*>(kDepotBucketsBase)[((parent & ~(kLine - 1)) | in_line) & kMask];
}

// For parents of many: their children would crowd one line.
uint32_t& far_bucket(uint64_t hash) {
  return reinterpret_cast<uint32_t*>(kDepotFarBucketsBase)[hash >> (64 - kDepotBucketBits)];
}

// A node goes to the far bucket if its near one had this many. Chains only grow, so a shorter one says that there is
// none in the far one either.
constexpr unsigned kMaxNear = 6;

// Looks from `id` down its chain as far as `end`, counting into `passed`.
uint32_t find(uint32_t id, uint32_t end, uint32_t parent, uint64_t frame, unsigned& passed) {
  for (; id != end; id = node(id).next, ++passed)
    if (node(id).frame == frame && node(id).parent == parent) return id;
  return 0;
}

// 0 when the depot is full.
uint32_t new_node() {
  uint64_t& count = control().node_count;
  if (__atomic_load_n(&count, __ATOMIC_RELAXED) >= kMaxDepotNodes) return 0;
  uint64_t id = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
  if (id == 0) id = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);  // 0 is the root
  return id < kMaxDepotNodes ? static_cast<uint32_t>(id) : 0;
}

uint32_t child(uint32_t parent, uint64_t frame) {
  const uint64_t hash = hash_of(parent, frame);
  uint32_t* bucket = &near_bucket(parent, hash);
  unsigned passed = 0;
  uint32_t head = __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
  uint32_t id = find(head, 0, parent, frame, passed);
  if (id != 0) return id;
  if (passed >= kMaxNear) {
    bucket = &far_bucket(hash);
    head = __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
    if ((id = find(head, 0, parent, frame, passed)) != 0) return id;
  }
  id = new_node();
  if (id == 0) return 0;
  node(id) = {frame, parent, head};
  while (!__atomic_compare_exchange_n(bucket, &head, id, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
    // Somebody else was first, perhaps with the same frame; then this node stays unused.
    uint32_t other = find(head, node(id).next, parent, frame, passed);
    if (other != 0) return other;
    node(id).next = head;
  }
  return id;
}

bool is_stack(uint32_t id, const uint64_t* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (id == 0 || node(id).frame != frames[i]) return false;
    id = node(id).parent;
  }
  return id == 0;
}

}  // namespace

uint32_t intern_stack(const uint64_t* frames, unsigned count) {
  if (count == 0) return 0;
  uint64_t hash = count;
  for (unsigned i = 0; i < count; ++i) hash = (hash ^ frames[i]) * kSpread, hash ^= hash >> 32;
  // An entry of the stack cache is only a proposal.
  uint32_t& cached = reinterpret_cast<uint32_t*>(kStackCacheBase)[hash >> (64 - kStackCacheBits)];
  uint32_t proposed = __atomic_load_n(&cached, __ATOMIC_ACQUIRE);
  if (is_stack(proposed, frames, count)) [[likely]]
    return proposed;
  uint32_t id = 0;
  for (unsigned i = count; i-- > 0;) {
    uint32_t next = child(id, frames[i]);
    if (next == 0) {
      __atomic_fetch_add(&control().full, 1, __ATOMIC_RELAXED);
      return 0;
    }
    id = next;
  }
  __atomic_store_n(&cached, id, __ATOMIC_RELEASE);
  return id;
}

uint32_t walked_root(unsigned depth) {
  __atomic_store_n(&control().walked_depth, depth, __ATOMIC_RELAXED);
  return walked_inner(0, kFrameNone << kFrameKindShift | depth);
}

uint32_t walked_inner(uint32_t walked, uint64_t frame) {
  uint32_t id = child(walked, frame);
  if (id == 0) __atomic_fetch_add(&control().full, 1, __ATOMIC_RELAXED);
  return id;
}

uint32_t innermost_frames(uint32_t walked, unsigned depth) {
  uint32_t& known = reinterpret_cast<uint32_t*>(kWalkedStacksBase)[walked];
  uint32_t id = __atomic_load_n(&known, __ATOMIC_ACQUIRE);
  if (id != 0) [[likely]]
    return id;
  auto* frames = static_cast<uint64_t*>(__builtin_alloca(depth * sizeof(uint64_t)));
  unsigned count = 0;
  for (uint32_t at = walked; count < depth && node(at).frame >> kFrameKindShift != kFrameNone; at = node(at).parent)
    frames[count++] = node(at).frame;
  id = intern_stack(frames, count);
  __atomic_store_n(&known, id, __ATOMIC_RELEASE);
  return id;
}

}  // namespace vsup::agent
