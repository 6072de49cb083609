// Purpose: the vocabulary in which forms_*.inc writes forms down. For example
//   v0f(P66, 0x58, wV, rH, rW).m(VL).fp()
// is vaddpd: vex, map 0f, prefix 66; writes ModRM.reg, reads vvvv and a vector or memory of the full vector length.
// Assumes: used by form.cpp alone, at compile time.
#pragma once

#include "agent/x86/form.h"

namespace vsup::agent::forms {

// Operand names: access letter and place. r: read, w: written, m: both, c: perhaps written, a: named only.
#define VSUP_PLACE(place)                                                                                           \
  inline constexpr Operand r##place{static_cast<uint8_t>(kReadBit | unsigned(Where::k##place))};                    \
  inline constexpr Operand w##place{static_cast<uint8_t>(kWriteBit | unsigned(Where::k##place))};                   \
  inline constexpr Operand m##place{static_cast<uint8_t>(kReadBit | kWriteBit | unsigned(Where::k##place))};        \
  inline constexpr Operand c##place{static_cast<uint8_t>(kConditionalBit | kWriteBit | unsigned(Where::k##place))}; \
  inline constexpr Operand a##place{static_cast<uint8_t>(Where::k##place)};
#include "agent/x86/operand_places.def"
#undef VSUP_PLACE

inline constexpr uint8_t SV = kSizeV, SY = kSizeY, SZ = kSizeZ, SS = kSizeStack, VL = kSizeVl, VL2 = kSizeVl2,
                         VL4 = kSizeVl4, VL8 = kSizeVl8;

// A form under construction: each function returns it with one property changed.
struct Row : Form {
  // Size of the memory operand.
  constexpr Row m(uint8_t code) const {
    Row row = *this;
    row.size = code;
    return row;
  }

  // Only with this ModRM.reg, with one of a set, with this ModRM.rm as a register, with one of a set.
  constexpr Row d(unsigned digit) const { return ds(1U << digit); }
  constexpr Row ds(unsigned digits) const {
    Row row = *this;
    row.regs = static_cast<uint8_t>(digits);
    return row;
  }
  constexpr Row rm(unsigned number) const { return rmset(1U << number); }
  constexpr Row rmset(unsigned set) const {
    Row row = *this;
    row.rms = static_cast<uint8_t>(set), row.mods = 2;
    return row;
  }

  // Also the opcodes that follow, n in all.
  constexpr Row count(unsigned n) const {
    Row row = *this;
    row.opcode_count = static_cast<uint8_t>(n);
    return row;
  }

  // Only with memory, only with a register as ModRM.rm.
  constexpr Row mem() const {
    Row row = *this;
    row.mods = 1;
    return row;
  }
  constexpr Row reg() const {
    Row row = *this;
    row.mods = 2;
    return row;
  }

  // Only with this W; only with these vector lengths, a set of 1 (128), 2 (256), 4 (512); whatever length.
  constexpr Row w0() const {
    Row row = *this;
    row.widths = 1;
    return row;
  }
  constexpr Row w1() const {
    Row row = *this;
    row.widths = 2;
    return row;
  }
  constexpr Row l(unsigned set) const {
    Row row = *this;
    row.lengths = static_cast<uint8_t>(set);
    return row;
  }
  constexpr Row lig() const { return trait(kTraitScalar); }

  // Evex: broadcast elements of this size, scale of disp8, rounding, exceptions, no mask, always a mask.
  constexpr Row bc(unsigned bytes) const {
    Row row = *this;
    row.element = static_cast<uint8_t>(bytes);
    return row;
  }
  constexpr Row d8(unsigned bytes) const {
    Row row = *this;
    row.disp8 = static_cast<uint8_t>(bytes);
    return row;
  }
  constexpr Row er() const { return trait(kTraitRounding); }
  constexpr Row sae() const { return trait(kTraitSae); }
  constexpr Row nomask() const { return trait(kTraitNoMask); }
  constexpr Row kreq() const { return trait(kTraitNeedsMask); }

  // Flags, implicit operands, mxcsr, x87; lock allowed; other traits.
  constexpr Row fl(FlagEffect effect) const {
    Row row = *this;
    row.flag_effect = effect;
    return row;
  }
  constexpr Row im(Implicit effect) const {
    Row row = *this;
    row.implicit = effect;
    return row;
  }
  constexpr Row fp() const { return trait(kTraitMxcsr); }
  constexpr Row x87() const { return trait(kTraitX87); }
  constexpr Row lock() const { return trait(kTraitLock); }
  constexpr Row trait(uint32_t bits) const {
    Row row = *this;
    row.traits |= bits;
    return row;
  }
};

template <typename... Operands>
constexpr Row row(Table table, uint8_t select, unsigned opcode, Operands... operands) {
  Row form;
  form.table = table;
  form.select = select;
  form.opcode = static_cast<uint8_t>(opcode);
  const Operand list[4] = {operands...};
  for (unsigned i = 0; i < 4; i++) form.operands[i] = list[i];
  return form;
}

// Row starters, one a table.
template <typename... Operands>
constexpr Row one(unsigned opcode, Operands... operands) {
  return row(Table::kOneByte, ANY, opcode, operands...);
}
template <typename... Operands>
constexpr Row now(unsigned opcode, Operands... operands) {
  return row(Table::k3dNow, ANY, opcode, operands...);
}
#define VSUP_STARTER(name, table)                                                \
  template <typename... Operands>                                                \
  constexpr Row name(unsigned select, unsigned opcode, Operands... operands) {   \
    return row(Table::table, static_cast<uint8_t>(select), opcode, operands...); \
  }
VSUP_STARTER(o0f, k0F)
VSUP_STARTER(o38, k0F38)
VSUP_STARTER(o3a, k0F3A)
VSUP_STARTER(v0f, kVex0F)
VSUP_STARTER(v38, kVex0F38)
VSUP_STARTER(v3a, kVex0F3A)
VSUP_STARTER(e0f, kEvex0F)
VSUP_STARTER(e38, kEvex0F38)
VSUP_STARTER(e3a, kEvex0F3A)
VSUP_STARTER(e5, kEvexMap5)
VSUP_STARTER(e6, kEvexMap6)
VSUP_STARTER(x8, kXop8)
VSUP_STARTER(x9, kXop9)
VSUP_STARTER(xa, kXopA)
#undef VSUP_STARTER

}  // namespace vsup::agent::forms
