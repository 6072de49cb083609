#include "supervisor/inject/state_map.h"

namespace vsup::supervisor {

namespace {

constexpr uint64_t kLahfFlags = 0xd5;  // SF ZF AF PF CF
constexpr uint64_t kOverflowFlag = 0x800;

}  // namespace

std::optional<StatePoint> walk_state_map(std::span<const uint8_t> map, uint64_t cache_offset) {
  uint64_t cache_at = 0;
  uint64_t app_at = 0;
  std::optional<StatePoint> found;
  for (size_t at = 0; at + 2 <= map.size();) {
    const uint8_t head = map[at];
    const uint8_t size = map[at + 1];
    const unsigned entry_size = protocol::state_entry_size(head);
    if (at + entry_size > map.size()) return {};
    StatePoint point;
    app_at += head & protocol::kStateAdvance;
    point.kind = static_cast<protocol::StateKind>(head >> protocol::kStateKindShift & protocol::kStateKindBits);
    if (point.kind > protocol::kLastStateKind) return {};
    if ((head & protocol::kStateHasMask) != 0) point.spilled = static_cast<uint16_t>(map[at + 2] | (map[at + 3] << 8));
    at += entry_size;
    if (!found && cache_offset < cache_at + size) {
      point.app_offset = app_at;
      found = point;
    }
    if (found && size != 0 && !protocol::is_step(point.kind)) {
      found->leads_away = is_step(found->kind) && point.kind == protocol::StateKind::kLeaving;
      return found;
    }
    cache_at += size;
  }
  return found;
}

void restore_spilled(Registers& registers, const protocol::ThreadContext& context, uint16_t spilled) {
  for (unsigned index = 0; index < 16; ++index) {
    if ((spilled & (1u << index)) == 0) continue;
    if (index == protocol::kRsp) {
      const uint64_t flags = (context.spill_flags >> 8) & kLahfFlags;
      const uint64_t overflow = (context.spill_flags & 0xff) != 0 ? kOverflowFlag : 0;
      registers.eflags = (registers.eflags & ~(kLahfFlags | kOverflowFlag)) | flags | overflow;
    } else {
      set_gpr(registers, index, context.spill[index]);
    }
  }
}

}  // namespace vsup::supervisor
