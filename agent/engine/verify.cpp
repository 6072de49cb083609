#include "agent/engine/verify.h"

#include "agent/base/check.h"
#include "agent/engine/fragment_table.h"
#include "agent/x86/decoder.h"

namespace vsup::agent {

namespace {

// Walks instruction by instruction and says whether an offset is where one starts.
class Boundaries {
 public:
  Boundaries(const uint8_t* code, uint64_t pc, uint32_t size) : code_(code), pc_(pc), size_(size) {}

  // Offsets must be asked for in rising order.
  bool starts_at(uint32_t offset) {
    while (at_ < offset) {
      Instr instr;
      if (at_ >= size_ || !decode(code_ + at_, size_ - at_, pc_ + at_, instr)) return false;
      at_ += instr.length;
    }
    return at_ == offset;
  }

 private:
  const uint8_t* code_;
  uint64_t pc_;
  uint32_t size_;
  uint32_t at_ = 0;
};

}  // namespace

void verify_fragment(uint32_t index) {
  const protocol::FragmentInfo& info = CodeCache::fragments()[index];
  const auto* entry = reinterpret_cast<const uint8_t*>(protocol::kCacheBase + info.cache_start);
  const uint8_t* map = CodeCache::state_maps() + info.map_offset;
  const uint8_t* map_end = map + info.map_size;
  // The source of a checked block may have changed already; its bytes are what its own entry check compares.
  bool stable = (info.flags & protocol::kFragmentChecked) == 0;
  Boundaries cache(entry, reinterpret_cast<uint64_t>(entry), info.cache_size);
  Boundaries app(reinterpret_cast<const uint8_t*>(info.app_pc), info.app_pc, info.app_size);
  uint32_t cache_offset = 0, app_offset = 0;
  bool continues = false;
  while (map < map_end) {
    const unsigned kind = map[0] >> protocol::kStateKindShift & protocol::kStateKindBits;
    app_offset += map[0] & protocol::kStateAdvance;
    // An entry of no bytes only advances; one that continues a stretch of 255 need not start an instruction.
    uint8_t covered = map[1];
    if (covered != 0) {
      VS_CHECK(continues || cache.starts_at(cache_offset), index, cache_offset, info.app_pc);
      VS_CHECK(app_offset <= info.app_size, index, app_offset, info.app_size, info.app_pc);
      VS_CHECK(!stable || app.starts_at(app_offset), index, app_offset, info.app_pc);
    }
    VS_CHECK(kind <= static_cast<unsigned>(protocol::kLastStateKind), index, kind, info.app_pc);
    cache_offset += covered;
    continues = covered == 255;
    map += protocol::state_entry_size(map[0]);
  }
  VS_CHECK(map == map_end, index, info.app_pc);
  VS_CHECK(cache_offset == info.cache_size, index, cache_offset, info.cache_size, info.app_pc);
}

}  // namespace vsup::agent
