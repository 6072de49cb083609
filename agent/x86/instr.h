// Purpose: what the decoder says of one x86-64 instruction.
// Assumes: 64-bit mode. Promises: a plain value, no pointer into the decoded bytes.
// Source of the encodings: Intel SDM volume 2, AMD APM volume 3.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vsup::agent {

// Control flow, the first thing a translator asks.
enum class Flow : uint8_t {
  kNone,          // falls through
  kJump,          // jmp rel8/rel32: target
  kCondJump,      // jcc rel8/rel32: target; condition() gives cc
  kLoop,          // loop, loope, loopne, jrcxz, jecxz: target (rel8 only)
  kCall,          // call rel32: target
  kJumpIndirect,  // jmp r/m64
  kCallIndirect,  // call r/m64
  kReturn,        // ret, ret imm16 (near)
  kSyscall,       // syscall
  kTrap,          // int3, int n, int1, ud0/1/2, hlt: ends a block, executed as it is
  kNativeOnly,    // far jmp/call/ret, iret, xbegin, sysenter, mov to a segment register, 66-prefixed near branches,
                  // anything else that must be executed in place: ends a block
};

inline bool is_branch(Flow flow) {
  return flow >= Flow::kJump && flow <= Flow::kReturn;
}

enum class Space : uint8_t { kLegacy, kVex, kEvex, kXop };  // encoding space
enum class OpMap : uint8_t { kOneByte, k0F, k0F38, k0F3A, kMap5, kMap6, kXop8, kXop9, kXopA, k3dNow };
enum class Segment : uint8_t { kDefault, kFs, kGs };  // cs, ds, es, ss have no effect in 64-bit mode

inline constexpr uint8_t kNoReg = 0xff;
inline constexpr uint8_t kRipReg = 0xfe;

// The explicit ModRM (or moffs) memory operand. Implicit ones (push, string operations) are in Effects.
struct MemOperand {
  bool present;
  uint8_t base;    // GPR 0-15, kRipReg, or kNoReg
  uint8_t index;   // GPR 0-15, or vector register when vsib, or kNoReg
  uint8_t scale;   // 1, 2, 4, 8
  bool vsib;       // index is a vector register
  bool address32;  // 67 prefix: the effective address is truncated to 32 bits
  Segment segment;
  int64_t displacement;  // sign-extended; evex disp8 already scaled; moffs: the whole 64 bits
};

struct Instr {
  uint8_t length;  // 1 to 15; 0: not decodable (no such encoding, or the bytes end)
  Space space;
  OpMap map;
  uint8_t opcode;
  Flow flow;

  // Prefixes.
  bool lock, rep, repne, operand16, address32;  // F0 F3 F2 66 67, as present (also where they select the opcode)
  Segment segment;
  uint8_t rex;               // 0 or 40-4f; for vex/evex/xop the equivalent W R X B bits
  uint8_t vector_length;     // 0: 128, 1: 256, 2: 512 (vex, evex, xop)
  uint8_t vvvv;              // 0-31
  uint8_t mandatory_prefix;  // 0, 0x66, 0xf3, 0xf2: the one that selects the instruction (pp of vex/evex)
  uint8_t evex_aaa;          // mask register, 0: none
  bool evex_r2;              // bit 4 of the register that modrm.reg names
  bool evex_z, evex_b;
  uint8_t legacy_prefix_count;  // bytes before rex/vex/evex/xop/opcode
  uint8_t opcode_offset;        // offset of the opcode byte itself (after escape bytes)

  // ModRM and what follows. Offsets are from the first byte; valid where the size is not 0.
  bool has_modrm;
  uint8_t modrm, modrm_offset;
  bool has_sib;
  uint8_t sib;
  uint8_t disp_size, disp_offset;  // 0, 1, 4 (8 for moffs)
  uint8_t imm_size, imm_offset;    // all immediate bytes together (enter: 3); relative branch offsets count here
  int64_t imm;                     // sign-extended; enter: frame size in bits 0-15, level in bits 16-23
  MemOperand mem;
  uint64_t target;  // of a direct branch: absolute

  uint8_t condition() const { return opcode & 0xf; }  // for kCondJump: 0 (o) to 15 (g)
  bool rip_relative() const { return mem.present && mem.base == kRipReg; }
};

// Flags as bits of rflags.
enum FlagBits : uint32_t {
  kFlagCf = 0x001,
  kFlagPf = 0x004,
  kFlagAf = 0x010,
  kFlagZf = 0x040,
  kFlagSf = 0x080,
  kFlagTf = 0x100,
  kFlagIf = 0x200,
  kFlagDf = 0x400,
  kFlagOf = 0x800,
  kFlagAc = 0x40000,
  kFlagsArithmetic = kFlagCf | kFlagPf | kFlagAf | kFlagZf | kFlagSf | kFlagOf,
  kFlagsAll = kFlagsArithmetic | kFlagTf | kFlagIf | kFlagDf | kFlagAc,
};

// One memory access, explicit or implicit.
struct Access {
  MemOperand address;
  uint16_t size;  // bytes; 0: not fixed by the encoding (xsave, rep string: size of one element is given)
  bool read, write;
  bool address_only;  // lea, nop r/m, prefetch: the operand is named, memory is not accessed
};

// FlagBits; written includes "undefined afterwards".
struct FlagUse {
  uint32_t read, written;
};

// What an instruction reads and writes. Conditional effects (cmov, masked, rep) count as both possible: what is perhaps
// written is read too, so that written without read means that the old value is dead.
struct Effects {
  uint16_t gpr_read, gpr_written;  // bit r: any part of GPR r. A partial write (8/16 bit) sets both bits.
                                   // Registers that form addresses count as read.
  // A vector register merged within its low 128 bits counts as read; that SSE keeps the bits above does not.
  uint32_t vector_read, vector_written;  // xmm/ymm/zmm 0-31, any part
  uint8_t mask_read, mask_written;       // k0-k7
  uint32_t flags_read, flags_written;    // as of FlagUse
  bool x87;                              // touches the x87/MMX register file
  bool reads_mxcsr;                      // or writes it
  uint8_t access_count;
  Access access[3];
};

}  // namespace vsup::agent
