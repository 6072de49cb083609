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

// Where an operand is encoded: kNone and the rows of operand_places.def.
enum class Where : uint8_t {
  kNone,
#define VSUP_PLACE(name) k##name,
#include "agent/x86/operand_places.def"
#undef VSUP_PLACE
};

// An operand is its place and, in the upper bits, what is done to it.
inline constexpr uint8_t kWhereMask = 0x1f, kReadBit = 0x20, kWriteBit = 0x40, kConditionalBit = 0x80;

struct Operand {
  uint8_t bits;
};

// Bytes of the memory operand. Below kSizeV the value is the size itself.
enum Size : uint8_t {
  kSizeV = 200,  // 2, 4, 8 by operand size
  kSizeY,        // 4, 8 by W
  kSizeZ,        // 4, 2 under 66 without W
  kSizeStack,    // 8, 2 under 66
  kSizeFar,      // selector and offset of operand size
  kSizePair,     // two of kSizeY
  kSizeVl,       // vector length
  kSizeVl2,      // and its fractions
  kSizeVl4,
  kSizeVl8,
  kSizeDup,       // 8, 32, 64 by vector length
  kSizeFpuEnv,    // 28, 14 under 66
  kSizeFpuState,  // 108, 94 under 66
  kSize512,
  kSize0,  // not fixed by the encoding
};

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
  kTraitLock = 0x1,                // lock prefix allowed
  kTraitVsib = 0x2,                // index is a vector register
  kTraitNoMask = 0x4,              // evex: aaa must be 0
  kTraitNeedsMask = 0x8,           // evex: aaa must not be 0, z must be
  kTraitRounding = 0x10,           // evex: b with a register sets the rounding mode
  kTraitSae = 0x20,                // evex: b with a register suppresses exceptions
  kTraitScalar = 0x40,             // vector length ignored
  kTraitBlend = 0x80,              // evex: the mask chooses between two sources
  kTraitMaskPair = 0x100,          // vp2intersect: writes the mask register and its neighbour
  kTraitMxcsr = 0x200,             // reads or writes mxcsr
  kTraitX87 = 0x400,               // touches x87 or MMX registers
  kTraitAnyMod = 0x800,            // ModRM.rm is a register whatever mod says
  kTraitNeedsSib = 0x1000,         // ModRM must be followed by a SIB byte
  kTraitNoRexB = 0x2000,           // only without rex.b
  kTraitNoRexR = 0x4000,           // only without rex.r
  kTraitGather = 0x8000,           // destination, index and mask must differ
  kTraitTiles = 0x10000,           // ModRM.reg, ModRM.rm and vvvv name three different tiles
  kTraitNewDestination = 0x20000,  // destination must differ from both sources
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
};

// The row that matches `instr`, of which all but displacement and immediate is decoded; null: no such instruction.
const Form* find_form(const Instr& instr);

// Bytes that a size code stands for in `instr`.
unsigned resolve_size(uint8_t size, const Instr& instr);

// Bytes of the form's memory operand, broadcast counted as one element.
unsigned memory_size(const Form& form, const Instr& instr);

}  // namespace vsup::agent::forms
