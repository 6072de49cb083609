#include "agent/engine/emitter.h"

namespace vsup::agent {

namespace {

// Of places that are no app state, where the tool has come to `kind` in counting the block.
protocol::StateKind step_at(protocol::StateKind kind) {
  using protocol::StateKind;
  if (kind == StateKind::kUncounted) return StateKind::kStepUncounted;
  return kind == StateKind::kStepCounting || kind == StateKind::kStepExiting ? kind : StateKind::kStep;
}

}  // namespace

void Emitter::cover(uint32_t app_offset, EmitState state) {
  while (covered_ != out_) {
    auto size = static_cast<uint64_t>(out_ - covered_);
    uint8_t piece = size > 255 ? 255 : static_cast<uint8_t>(size);
    uint32_t step = app_offset - map_offset_;
    uint8_t advance = step > 15 ? 15 : static_cast<uint8_t>(step);
    if (advance < step) piece = 0;  // a long way: an entry that only advances
    map_offset_ += advance;
    const auto kind = static_cast<unsigned>(state.step ? step_at(kind_) : kind_);
    const unsigned mask = state.spilled != 0 ? protocol::kStateHasMask : 0;
    *map_++ = static_cast<uint8_t>(advance | kind << protocol::kStateKindShift | mask);
    *map_++ = piece;
    if (mask != 0) {
      store(map_, state.spilled);
      map_ += sizeof state.spilled;
    }
    covered_ += piece;
  }
}

// In two stores: it is most of what tools emit.
void Emitter::gs_absolute(uint8_t opcode, uint8_t reg, uint32_t offset) {
  const uint64_t rex = reg >= 8 ? 0x4c : 0x48;
  const uint64_t modrm = 0x04u | static_cast<unsigned>(reg & 7) << 3;
  store(out_, 0x65 | rex << 8 | uint64_t{opcode} << 16 | modrm << 24 | uint64_t{0x25} << 32 | uint64_t{offset} << 40);
  out_[8] = static_cast<uint8_t>(offset >> 24);
  out_ += 9;
}

void Emitter::save_flags() {
  take_flags();
  gs_absolute(0x89, protocol::kRax, VSUP_CTX_SPILL_FLAGS);
}

void Emitter::restore_flags() {
  gs_absolute(0x8b, protocol::kRax, VSUP_CTX_SPILL_FLAGS);
  give_flags();
}

void Emitter::add_to(uint32_t offset, uint32_t amount) {
  if (amount == 1) {
    gs_absolute(0xff, 0, offset);
  } else if (amount + 128 < 256) {  // of a byte, with its sign
    gs_absolute(0x83, 0, offset);
    byte(static_cast<uint8_t>(amount));
  } else {
    gs_absolute(0x81, 0, offset);
    u32(amount);
  }
}

void Emitter::add_keeping_flags(uint32_t offset, uint32_t amount, GprIndex scratch) {
  gs_absolute(0x8b, scratch, offset);
  byte(static_cast<uint8_t>(0x48 | (scratch >= 8 ? 5 : 0)));
  byte(0x8d);
  const bool is_byte = amount + 128 < 256;  // with its sign
  byte(static_cast<uint8_t>((is_byte ? 0x40 : 0x80) | (scratch & 7) << 3 | (scratch & 7)));
  if ((scratch & 7) == protocol::kRsp) byte(0x24);
  if (is_byte) {
    byte(static_cast<uint8_t>(amount));
  } else {
    u32(amount);
  }
  gs_absolute(0x89, scratch, offset);
}

void Emitter::load_constant(GprIndex reg, uint64_t value) {
  if (value >> 32 == 0) {
    if (reg >= 8) byte(0x41);
    byte(static_cast<uint8_t>(0xb8 | (reg & 7)));
    u32(static_cast<uint32_t>(value));
    return;
  }
  byte(reg >= 8 ? 0x49 : 0x48);
  byte(static_cast<uint8_t>(0xb8 | (reg & 7)));
  u64(value);
}

void Emitter::load_displaced(uint8_t rex, GprIndex reg, GprIndex base, uint8_t disp8) {
  byte(static_cast<uint8_t>(rex | (reg >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0)));
  byte(0x8b);
  byte(static_cast<uint8_t>(0x40 | (reg & 7) << 3 | (base & 7)));
  if ((base & 7) == protocol::kRsp) byte(0x24);
  byte(disp8);
}

void Emitter::load_literal(GprIndex reg, const uint8_t* literal) {
  byte(reg >= 8 ? 0x4c : 0x48);
  byte(0x8b);
  byte(static_cast<uint8_t>(0x05 | (reg & 7) << 3));
  u32(static_cast<uint32_t>(literal - (out_ + 4)));
}

void Emitter::push_constant(uint64_t value) {
  if (value < 0x8000'0000) {
    byte(0x68);
    u32(static_cast<uint32_t>(value));
    return;
  }
  const uint8_t* literal = code_cache.add_literal(value);
  byte(0xff);
  byte(0x35);
  u32(static_cast<uint32_t>(literal - (out_ + 4)));
}

void Emitter::add_without_flags(GprIndex a, GprIndex b) {
  byte(0x48);
  byte(0x8d);
  byte(static_cast<uint8_t>(0x04 | a << 3));
  byte(static_cast<uint8_t>(b << 3 | a));
}

void Emitter::subtract_prepared(GprIndex a, GprIndex b) {
  byte(0x48);
  byte(0x8d);
  byte(static_cast<uint8_t>(0x44 | a << 3));
  byte(static_cast<uint8_t>(b << 3 | a));
  byte(1);
}

void Emitter::invert(GprIndex reg) {
  byte(0x48);
  byte(0xf7);
  byte(static_cast<uint8_t>(0xd0 | reg));
}

void Emitter::jump(const uint8_t* target, uint8_t jcc) {
  branch_opcode(jcc);
  u32(static_cast<uint32_t>(target - (out_ + 4)));
}

void Emitter::branch(const uint8_t* target, uint8_t jcc) {
  constexpr uint8_t kShortJump = 0xeb, kLongToShort = 0x10;
  const int64_t distance = target - (out_ + 2);
  if (distance == static_cast<int8_t>(distance)) {
    byte(jcc != 0 ? static_cast<uint8_t>(jcc - kLongToShort) : kShortJump);
    byte(static_cast<uint8_t>(distance));
    return;
  }
  jump(target, jcc);
}

void Emitter::branch_opcode(uint8_t jcc) {
  if (jcc == 0) {
    byte(0xe9);
  } else {
    bytes({0x0f, jcc});
  }
}

void Emitter::jump_through_table() {
  static constexpr uint8_t kMovzxEdxCx[] = {0x0f, 0xb7, 0xd1};
  static constexpr uint8_t kJmpTable[] = {0x65, 0xff, 0x24, 0xd5};
  bytes(kMovzxEdxCx, sizeof kMovzxEdxCx);
  bytes(kJmpTable, sizeof kJmpTable);
  u32(protocol::kBranchTableOffset);
}

void Emitter::exit_stub(uint32_t id, const void* agent_exit) {
  static constexpr uint8_t kMovGs[] = {0x65, 0x48, 0xc7, 0x04, 0x25};
  bytes(kMovGs, sizeof kMovGs);
  u32(VSUP_CTX_EXIT_ID);
  u32(id);
  jump(static_cast<const uint8_t*>(agent_exit));
}

void Emitter::step_call(void (*function)()) {
  constexpr uint32_t kStackSpill = VSUP_CTX_SPILL + 8 * protocol::kRsp;
  gs_absolute(0x89, protocol::kRsp, kStackSpill);
  gs_absolute(0x8b, protocol::kRsp, VSUP_CTX_AGENT_SP);
  byte(0xe8);
  u32(static_cast<uint32_t>(reinterpret_cast<const uint8_t*>(function) - (here() + 4)));
  gs_absolute(0x8b, protocol::kRsp, kStackSpill);
}

void Emitter::align_patch_site(uint32_t offset) {
  // nop; xchg %ax, %ax; nopl (%rax): one instruction.
  constexpr uint8_t kNops[3][3] = {{0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
  const unsigned at = (reinterpret_cast<uint64_t>(out_) + offset) & 15;
  for (unsigned i = 0, count = at > 12 ? 16 - at : 0; i < count; ++i) byte(kNops[count - 1][i]);
}

}  // namespace vsup::agent
