// Purpose: the memory of the code cache and its tables: bump allocation of hot code, cold code (stubs, thunks) and
// literals, and where each table lies in the agent heap.
// Assumes: callers hold the engine lock. Promises: nothing moves; everything is given back at once by reset().
//
//   agent heap  +0x0000'0000  FragmentInfo[4 Mi]          +0x1c00'0000  uint32_t thunk_of[4 Mi]
//               +0x0c00'0000  state maps, 256 MiB         +0x1d00'0000  uint32_t buckets[512 Ki]
//               +0x1d80'0000  uint32_t thunk_heads[64 Ki]  +0x1dc0'0000  uint32_t thunk_tails[64 Ki]
//               +0x1e00'0000  uint32_t chunk_first[1 Mi]   +0x2000'0000  LinkRecord[16 Mi]
//               +0x3000'0000  SideRecord[8 Mi]
#pragma once

#include "agent/base/settings.h"
#include "agent/engine/types.h"
#include "protocol/agent_boot.h"

extern "C" {
extern vsup::protocol::AgentState vsup_state;
}

namespace vsup::agent {

// A direct exit whose target was not translated when it was emitted. Its stub puts the record's number into exit_id.
enum class LinkKind : uint32_t {
  kDirect,   // go on at target; the branch can be patched
  kSyscall,  // target is a system call instruction
  kRequest,  // target is the last instruction of a client request
  kNative,   // target is an instruction to be executed natively
  kX87,      // target is an instruction, of `site` bytes, that has stored the x87 instruction pointer
  kTool,     // target is the tool's, site is where the thread goes on afterwards
  kSide,     // target is where a conditional jump in a block's middle leads, site its SideRecord's number
  kStale,    // target's entry check found other bytes than were translated
};

// There are half a million for a large program, so it is kept in twelve bytes.
class LinkRecord {
 public:
  // `target`: app pc; `site`: offset of the branch's rel32 from kCacheBase.
  LinkRecord(uint64_t target, uint32_t site, LinkKind kind)
      : low_(static_cast<uint32_t>(target)),
        high_(static_cast<uint32_t>(target >> 32) & 0xff'ffff),
        kind_(static_cast<uint32_t>(kind) & 0xff),
        site_(site) {}

  // Bits 56 to 63 are as bit 55.
  uint64_t target() const {
    return static_cast<uint64_t>(static_cast<int64_t>((uint64_t{high_} << 32 | low_) << 8) >> 8);
  }
  uint32_t site() const { return site_; }
  LinkKind kind() const { return static_cast<LinkKind>(kind_); }

 private:
  uint32_t low_;
  uint32_t high_ : 24, kind_ : 8;
  uint32_t site_;
};
static_assert(sizeof(LinkRecord) == 12);

// A conditional jump in a block's middle.
struct SideRecord {
  uint32_t fragment;     // the block
  uint32_t place;        // offset of the jump's rel32 from kCacheBase
  uint32_t block;        // the tool's number of the block
  uint16_t at : 12;      // of the jump, in app bytes from the block's tag
  uint16_t length : 4;   // its own
  uint16_t passed : 15;  // such jumps of the block before it
  uint16_t made : 1;     // it leads to its code
};
static_assert(sizeof(SideRecord) == 16);

inline uint32_t cache_offset(const uint8_t* at) {
  return static_cast<uint32_t>(reinterpret_cast<uint64_t>(at) - protocol::kCacheBase);
}

class CodeCache {
 public:
  static constexpr uint32_t kMaxFragments = 4u << 20;
  static constexpr uint32_t kMaxLinks = 16u << 20;
  static constexpr uint32_t kMaxSides = 8u << 20;
  static constexpr uint32_t kBuckets = 512u << 10;
  static constexpr uint64_t kMapBytes = 256u << 20;
  // Room that one translation may need in each area; below it the cache counts as full.
  static constexpr uint64_t kHeadroom = 48u << 10;
  // And in each but that of literals, for the code of one conditional jump in a block's middle.
  static constexpr uint64_t kSideRoom = 128;

  static protocol::FragmentInfo* fragments() { return at<protocol::FragmentInfo>(0); }
  static uint8_t* state_maps() { return at<uint8_t>(0x0c00'0000); }
  static uint32_t* thunk_of() { return at<uint32_t>(0x1c00'0000); }
  static uint32_t* buckets() { return at<uint32_t>(0x1d00'0000); }
  static uint32_t* thunk_heads() { return at<uint32_t>(0x1d80'0000); }
  // Of the jump at the end of each chain; void where there is no head.
  static uint32_t* thunk_tails() { return at<uint32_t>(0x1dc0'0000); }
  static uint32_t* chunk_first() { return at<uint32_t>(0x1e00'0000); }
  static LinkRecord* links() { return at<LinkRecord>(0x2000'0000); }
  static SideRecord* sides() { return at<SideRecord>(0x3000'0000); }

  // Tells the supervisor where the tables are.
  void initialize();

  bool full() const;
  // For code that is added when no block is translated.
  bool has_cold_room(uint64_t bytes) const { return vsup_state.cold_used + bytes <= protocol::kColdSize; }
  void reset();

  uint8_t* hot() const { return reinterpret_cast<uint8_t*>(protocol::kCacheBase + vsup_state.cache_used); }
  void set_hot(const uint8_t* end) { vsup_state.cache_used = reinterpret_cast<uint64_t>(end) - protocol::kCacheBase; }
  uint8_t* cold() const { return reinterpret_cast<uint8_t*>(protocol::kColdBase + vsup_state.cold_used); }
  void set_cold(const uint8_t* end) { vsup_state.cold_used = reinterpret_cast<uint64_t>(end) - protocol::kColdBase; }

  // A new 8-byte constant that code can reach rip-relatively.
  uint8_t* add_literal(uint64_t value);

  uint32_t add_link(const LinkRecord& record);
  uint32_t add_side(const SideRecord& record);
  uint32_t link_count() const { return link_count_; }
  uint64_t map_used() const { return map_used_; }
  void set_map_used(uint64_t used) { map_used_ = used; }

  // Counts resets, from 1: what a branch table filled in an earlier epoch says is void.
  uint64_t epoch() const { return epoch_; }
  uint64_t translations() const { return translations_; }
  void count_translation() { ++translations_; }

 private:
  template <typename T>
  static T* at(uint64_t offset) {
    return reinterpret_cast<T*>(protocol::kHeapBase + offset);
  }

  uint32_t link_count_ = 1;  // record 0 is exit_id's VSUP_EXIT_ENTER
  uint32_t side_count_ = 0;
  uint64_t literal_used_ = 0;
  uint64_t map_used_ = 0;
  uint64_t epoch_ = 1;
  uint64_t translations_ = 0;  // since the last reset
};

extern CodeCache code_cache;

}  // namespace vsup::agent
