#include "agent/engine/x87_pointer.h"

#include "agent/base/entry_points.h"
#include "agent/engine/fragment_table.h"
#include "agent/x86/decoder.h"

namespace vsup::agent {

namespace {

using protocol::ThreadContext;

// Where the address lies in what the instruction stores.
struct Field {
  uint32_t offset;
  uint32_t size;          // bytes, 0: none
  bool optional = false;  // xsave: only when the x87 component was asked for and stored
};

Field field_of(const Instr& instr) {
  if (instr.space != Space::kLegacy || !instr.mem.present) return {0, 0};
  uint8_t extension = instr.modrm >> 3 & 7;
  if (instr.map == OpMap::kOneByte && (instr.opcode == 0xd9 || instr.opcode == 0xdd) && extension == 6)
    return {instr.operand16 ? 6u : 12u, instr.operand16 ? 2u : 4u};
  uint32_t width = (instr.rex & 8) != 0 ? 8 : 4;
  if (instr.map != OpMap::k0F || instr.mandatory_prefix != 0) return {0, 0};
  if (instr.opcode == 0xae && extension == 0) return {8, width};
  bool xsave = (instr.opcode == 0xae && (extension == 4 || extension == 6)) || (instr.opcode == 0xc7 && extension == 4);
  return xsave ? Field{8, width, true} : Field{0, 0};
}

uint64_t fs_base() {
  uint64_t base;
  asm("rdfsbase %0" : "=r"(base));
  return base;
}

uint64_t operand_address(const ThreadContext& ctx, const Instr& instr, uint64_t pc) {
  const MemOperand& mem = instr.mem;
  auto address = static_cast<uint64_t>(mem.displacement);
  if (mem.base == kRipReg)
    address += pc + instr.length;
  else if (mem.base != kNoReg)
    address += ctx.gpr[mem.base];
  if (mem.index != kNoReg) address += ctx.gpr[mem.index] * mem.scale;
  if (mem.address32) address &= 0xffff'ffff;
  if (mem.segment == Segment::kFs) address += fs_base();
  if (mem.segment == Segment::kGs) address += ctx.app_gs_base;
  return address;
}

// The app pc of a place in a fragment; 0 where there is none.
uint64_t app_pc_of(uint64_t cache_offset) {
  const protocol::FragmentInfo* fragments = CodeCache::fragments();
  uint64_t low = 0, high = vsup_state.fragment_count;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (fragments[middle].cache_start <= cache_offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return 0;
  const protocol::FragmentInfo& fragment = fragments[low - 1];
  if (cache_offset >= fragment.cache_start + fragment.cache_size) return 0;
  const uint8_t* map = CodeCache::state_maps() + fragment.map_offset;
  const uint8_t* end = map + fragment.map_size;
  uint64_t at = fragment.cache_start, app_pc = fragment.app_pc;
  while (map < end) {
    app_pc += map[0] & protocol::kStateAdvance;
    at += map[1];
    if (cache_offset < at) return app_pc;
    map += protocol::state_entry_size(map[0]);
  }
  return 0;
}

}  // namespace

bool stores_x87_pointer(const Instr& instr) {
  return field_of(instr).size != 0;
}

void correct_x87_pointer(const ThreadContext& ctx, uint64_t pc) {
  uint8_t bytes[15];
  Instr instr;
  if (!vsup_safe_copy(bytes, reinterpret_cast<const void*>(pc), sizeof bytes) ||
      !decode(bytes, sizeof bytes, pc, instr))
    return;
  Field field = field_of(instr);
  if (field.size == 0) return;
  uint64_t image = operand_address(ctx, instr, pc);
  if (field.optional) {
    constexpr uint64_t kX87Component = 1;
    uint64_t stored = 0;
    if ((ctx.gpr[protocol::kRax] & kX87Component) == 0 ||
        !vsup_safe_copy(&stored, reinterpret_cast<const void*>(image + 512), sizeof stored) ||
        (stored & kX87Component) == 0)
      return;
  }
  auto* place = reinterpret_cast<void*>(image + field.offset);
  uint64_t pointer = 0;
  if (!vsup_safe_copy(&pointer, place, field.size)) return;
  // A narrow field holds the low bits; the whole cache lies within 4 GiB, and a wide one holds 48 of them.
  uint64_t offset = (pointer - protocol::kCacheBase) & (field.size == 8 ? 0xffff'ffff'ffff : 0xffff'ffff);
  if (field.size == 2 || offset >= protocol::kCacheHotSize) return;
  uint64_t app_pc = app_pc_of(offset);
  if (app_pc != 0) vsup_safe_copy(place, &app_pc, field.size);
}

}  // namespace vsup::agent
