// Purpose: the packed per-opcode attributes that decode() looks up, one 16-bit word an opcode.
// Assumes: 64-bit mode. Promises: constant data only.
#pragma once

#include <stdint.h>

#include "agent/x86/instr.h"

namespace vsup::agent {

// What follows opcode and ModRM.
enum class Imm : uint8_t {
  kNone,
  kByte,
  kWord,
  kOperand,     // 2 or 4 bytes by operand size
  kWide,        // 2, 4 or 8 bytes by operand size: mov r, imm
  kMoffs,       // address of 8 bytes, 4 under 67
  kEnter,       // 2 + 1 bytes
  kRelByte,     // branch offset
  kRelOperand,  // branch offset of 4 bytes
  kTwoBytes,    // 1 + 1 bytes: extrq, insertq
  kDword,       // 4 bytes whatever the operand size: xop map a
};

inline constexpr uint16_t kHasModrm = 0x0001;
inline constexpr unsigned kImmShift = 1;   // 4 bits
inline constexpr unsigned kFlowShift = 5;  // 4 bits
inline constexpr uint16_t kPrefixByte = 0x0200;
inline constexpr uint16_t kInvalidOpcode = 0x0400;
inline constexpr uint16_t kIrregular = 0x0800;  // flow, immediate or validity hang on more than the opcode byte
// Which of no prefix, 66, f3, f2 select an instruction; 0: they do not take part in selection.
inline constexpr unsigned kSelectShift = 12;  // 4 bits
inline constexpr uint16_t kSelectMask = 0xf000;

constexpr Imm imm_of(uint16_t attributes) {
  return static_cast<Imm>((attributes >> kImmShift) & 0xf);
}
constexpr Flow flow_of(uint16_t attributes) {
  return static_cast<Flow>((attributes >> kFlowShift) & 0xf);
}
constexpr uint16_t with_imm(Imm imm) {
  return static_cast<uint16_t>(static_cast<unsigned>(imm) << kImmShift);
}
constexpr uint16_t with_flow(Flow flow) {
  return static_cast<uint16_t>(static_cast<unsigned>(flow) << kFlowShift);
}

extern const uint16_t kOneByteAttributes[256];
extern const uint16_t k0FAttributes[256];

}  // namespace vsup::agent
