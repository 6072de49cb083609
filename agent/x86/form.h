// Purpose: a form is one row of the instruction tables: which encodings it matches and what they read and write.
// Assumes: rows are built at compile time only. Promises: constant data; find_form() is pure.
//
// The rows are in forms_*.inc, written with the builder below, for example
//   v0f(P66, 0x58, wV, rH, rW).m(VL).fp()      vaddpd: writes ModRM.reg, reads vvvv, reads vector or memory of full
//   length
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/x86/instr.h"

namespace vsup::agent::forms {

// One table for each encoding space and opcode map.
enum class Table : uint8_t {
  kOneByte,
  k0F,
  k0F38,
  k0F3A,
  k3dNow,
  kVex0F,
  kVex0F38,
  kVex0F3A,
  kEvex0F,
  kEvex0F38,
  kEvex0F3A,
  kEvexMap5,
  kEvexMap6,
  kXop8,
  kXop9,
  kXopA,
  kCount,
};

// Selecting prefixes, a set.
inline constexpr uint8_t NP = 1, P66 = 2, PF3 = 4, PF2 = 8, ANY = 15;

// Where an operand is encoded. G: ModRM.reg, E: ModRM.rm, R: low bits of the opcode, B: vvvv, for general registers of
// b 8, w 16, v operand size, y 32 or 64 bits, and q 64 (16 under 66); V, W, H, L: vector registers in ModRM.reg,
// ModRM.rm, vvvv, the immediate's high half; K, J, I: mask registers in ModRM.reg, ModRM.rm, vvvv; P, Q: MMX in
// ModRM.reg, ModRM.rm; M: only memory; Ab, Aw, Av, Dv, Cl, X0: al, ax, rax and rdx of operand size, cl, xmm0.
enum class Where : uint8_t {
  kNone,
  kGb,
  kGw,
  kGv,
  kGy,
  kEb,
  kEw,
  kEv,
  kEy,
  kEq,
  kRb,
  kRv,
  kRq,
  kBy,
  kV,
  kW,
  kH,
  kL,
  kK,
  kJ,
  kI,
  kP,
  kQ,
  kM,
  kAb,
  kAw,
  kAv,
  kDv,
  kCl,
  kX0,
};

// An operand is its place and, in the upper bits, what is done to it.
inline constexpr uint8_t kWhereMask = 0x1f, kReadBit = 0x20, kWriteBit = 0x40, kConditionalBit = 0x80;

struct Operand {
  uint8_t bits;
};

// Operand names: access letter and place. r: read, w: written, m: both, c: perhaps written, a: named only.
#define VSUP_OPERAND(place)                                                                                         \
  inline constexpr Operand r##place{static_cast<uint8_t>(kReadBit | unsigned(Where::k##place))};                    \
  inline constexpr Operand w##place{static_cast<uint8_t>(kWriteBit | unsigned(Where::k##place))};                   \
  inline constexpr Operand m##place{static_cast<uint8_t>(kReadBit | kWriteBit | unsigned(Where::k##place))};        \
  inline constexpr Operand c##place{static_cast<uint8_t>(kConditionalBit | kWriteBit | unsigned(Where::k##place))}; \
  inline constexpr Operand a##place{static_cast<uint8_t>(Where::k##place)};
VSUP_OPERAND(Gb)
VSUP_OPERAND(Gw) VSUP_OPERAND(Gv) VSUP_OPERAND(Gy) VSUP_OPERAND(Eb) VSUP_OPERAND(Ew) VSUP_OPERAND(Ev) VSUP_OPERAND(Ey)
    VSUP_OPERAND(Eq) VSUP_OPERAND(Rb) VSUP_OPERAND(Rv) VSUP_OPERAND(Rq) VSUP_OPERAND(By) VSUP_OPERAND(V) VSUP_OPERAND(W)
        VSUP_OPERAND(H) VSUP_OPERAND(L) VSUP_OPERAND(K) VSUP_OPERAND(J) VSUP_OPERAND(I) VSUP_OPERAND(P) VSUP_OPERAND(Q)
            VSUP_OPERAND(M) VSUP_OPERAND(Ab) VSUP_OPERAND(Aw) VSUP_OPERAND(Av) VSUP_OPERAND(Dv) VSUP_OPERAND(Cl)
                VSUP_OPERAND(X0)
#undef VSUP_OPERAND

    // Bytes of the memory operand. Below kSizeV the value is the size itself.
    enum Size : uint8_t {
      kSizeV = 200,  // 2, 4, 8 by operand size
      kSizeY,        // 4, 8 by W
      kSizeZ,        // 4, 2 under 66 without W
      kSizeStack,    // 8, 2 under 66
      kSizeFar,      // selector and offset of operand size
      kSizePair,     // two of kSizeY
      kSizeVl,
      kSizeVl2,
      kSizeVl4,
      kSizeVl8,       // vector length and its fractions
      kSizeDup,       // 8, 32, 64 by vector length
      kSizeFpuEnv,    // 28, 14 under 66
      kSizeFpuState,  // 108, 94 under 66
      kSize512,
      kSize0,  // not fixed by the encoding
    };
inline constexpr uint8_t SV = kSizeV, SY = kSizeY, SZ = kSizeZ, SS = kSizeStack, VL = kSizeVl, VL2 = kSizeVl2,
                         VL4 = kSizeVl4, VL8 = kSizeVl8;

// Effects on rflags, rows of flag_effects.def.
enum class FlagEffect : uint8_t {
#define VSUP_FLAG_EFFECT(name, read, written) name,
#include "agent/x86/flag_effects.def"
#undef VSUP_FLAG_EFFECT
};

// Registers and memory that the encoding does not name, rows of implicit_effects.def.
enum class Implicit : uint8_t {
#define VSUP_IMPLICIT(name, gpr_read, gpr_written, vector_read, vector_written, mask_read, mask_written) name,
#include "agent/x86/implicit_effects.def"
#undef VSUP_IMPLICIT
};

enum Trait : uint32_t {
  kTraitLock = 0x1,       // lock prefix allowed
  kTraitVsib = 0x2,       // index is a vector register
  kTraitNoMask = 0x4,     // evex: aaa must be 0
  kTraitNeedsMask = 0x8,  // evex: aaa must not be 0
  kTraitNoZero = 0x10,    // evex: z must be 0
  kTraitRounding = 0x20,  // evex: b with a register sets the rounding mode
  kTraitSae = 0x40,       // evex: b with a register suppresses exceptions
  kTraitScalar = 0x80,    // vector length ignored
  kTraitMxcsr = 0x100,
  kTraitX87 = 0x200,
  kTraitGather = 0x400,            // destination, index and mask must differ
  kTraitNewDestination = 0x40000,  // destination must differ from both sources
  kTraitNoRexB = 0x800,            // only without rex.b: nop and pause
  kTraitNoRexR = 0x1000,           // only without rex.r
  kTraitNeedsSib = 0x4000,         // ModRM must be followed by a SIB byte
  kTraitTiles = 0x8000,            // ModRM.reg, ModRM.rm and vvvv name three different tiles
  kTraitMaskPair = 0x10000,        // vp2intersect: writes the mask register and its neighbour
  kTraitBlend = 0x20000,           // the mask chooses between two sources
  kTraitAnyMod = 0x2000,           // ModRM.rm is a register whatever mod says
};

struct Form {
  uint32_t traits = 0;
  uint8_t regs = 0xff;  // allowed ModRM.reg, a set
  uint8_t rms = 0xff;   // allowed ModRM.rm where that is a register, a set
  uint8_t mods = 3;     // 1: memory, 2: register
  Table table = Table::kOneByte;
  uint8_t opcode = 0;
  uint8_t opcode_count = 1;  // also matches the opcodes that follow
  uint8_t select = ANY;
  uint8_t widths = 3;   // allowed W, a set
  uint8_t lengths = 7;  // allowed vector lengths, a set
  uint8_t size = 0;
  uint8_t element = 0;  // evex: bytes of a broadcast element, or kSizeY; 0: no broadcast
  uint8_t disp8 = 0;    // evex: scale of disp8 where it is not the operand size
  Operand operands[4] = {};
  FlagEffect flag_effect = FlagEffect::kNone;
  Implicit implicit = Implicit::kNone;

  // The builder. Each returns the row with one property changed.
  constexpr Form with(auto change) const {
    Form changed = *this;
    change(changed);
    return changed;
  }
  constexpr Form trait(uint32_t bits) const {
    return with([=](Form& f) { f.traits |= bits; });
  }
  constexpr Form m(uint8_t bytes) const {
    return with([=](Form& f) { f.size = bytes; });
  }
  constexpr Form d(unsigned digit) const { return ds(1U << digit); }
  constexpr Form ds(unsigned digits) const {
    return with([=](Form& f) { f.regs = static_cast<uint8_t>(digits); });
  }
  constexpr Form rm(unsigned number) const { return rmset(1U << number); }
  constexpr Form rmset(unsigned set) const {
    return with([=](Form& f) { f.rms = static_cast<uint8_t>(set), f.mods = 2; });
  }
  constexpr Form count(unsigned n) const {
    return with([=](Form& f) { f.opcode_count = static_cast<uint8_t>(n); });
  }
  constexpr Form mem() const {
    return with([](Form& f) { f.mods = 1; });
  }
  constexpr Form reg() const {
    return with([](Form& f) { f.mods = 2; });
  }
  constexpr Form w0() const {
    return with([](Form& f) { f.widths = 1; });
  }
  constexpr Form w1() const {
    return with([](Form& f) { f.widths = 2; });
  }
  constexpr Form l(unsigned set) const {
    return with([=](Form& f) { f.lengths = static_cast<uint8_t>(set); });
  }
  constexpr Form fl(FlagEffect effect) const {
    return with([=](Form& f) { f.flag_effect = effect; });
  }
  constexpr Form im(Implicit effect) const {
    return with([=](Form& f) { f.implicit = effect; });
  }
  constexpr Form bc(unsigned bytes) const {
    return with([=](Form& f) { f.element = static_cast<uint8_t>(bytes); });
  }
  constexpr Form d8(unsigned bytes) const {
    return with([=](Form& f) { f.disp8 = static_cast<uint8_t>(bytes); });
  }
  constexpr Form lock() const { return trait(kTraitLock); }
  constexpr Form lig() const { return trait(kTraitScalar); }
  constexpr Form fp() const { return trait(kTraitMxcsr); }
  constexpr Form er() const { return trait(kTraitRounding); }
  constexpr Form sae() const { return trait(kTraitSae); }
  constexpr Form x87() const { return trait(kTraitX87); }
  constexpr Form nomask() const { return trait(kTraitNoMask); }
  constexpr Form kreq() const { return trait(kTraitNeedsMask | kTraitNoZero); }
  constexpr Form noz() const { return trait(kTraitNoZero); }
};

// The row that matches `instr`, of which all but displacement and immediate is decoded; null: no such instruction.
const Form* find_form(const Instr& instr);

// Bytes that a size code stands for in `instr`.
unsigned resolve_size(uint8_t size, const Instr& instr);

// Bytes of the form's memory operand, broadcast counted as one element.
unsigned memory_size(const Form& form, const Instr& instr);

}  // namespace vsup::agent::forms
