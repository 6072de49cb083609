// Purpose: the attribute tables of the one-byte and the 0f opcode map; the grids are in opcode_one_byte.inc and
// opcode_0f.inc, sixteen opcodes a line.
#include "agent/x86/opcode_attributes.h"

namespace vsup::agent {
namespace {

// Cell names of the grids. M: has ModRM; b, w, z: immediate of one byte, two, operand size; i: irregular.
constexpr uint16_t kI = kIrregular;
constexpr uint16_t N_ = 0;
constexpr uint16_t XX = kInvalidOpcode;
constexpr uint16_t PF = kPrefixByte;
constexpr uint16_t Nb = with_imm(Imm::kByte);
constexpr uint16_t Nz = with_imm(Imm::kOperand);
constexpr uint16_t Nv = with_imm(Imm::kWide);
constexpr uint16_t No = with_imm(Imm::kMoffs);
constexpr uint16_t En = with_imm(Imm::kEnter);
constexpr uint16_t M_ = kHasModrm;
constexpr uint16_t Mb = kHasModrm | Nb;
constexpr uint16_t Mz = kHasModrm | Nz;
constexpr uint16_t Mi = kHasModrm | kI;
constexpr uint16_t Mbi = Mb | kI;
constexpr uint16_t Mzi = Mz | kI;
constexpr uint16_t Jc = with_imm(Imm::kRelByte) | with_flow(Flow::kCondJump);
constexpr uint16_t JC = with_imm(Imm::kRelOperand) | with_flow(Flow::kCondJump);
constexpr uint16_t Jb = with_imm(Imm::kRelByte) | with_flow(Flow::kJump);
constexpr uint16_t Jz = with_imm(Imm::kRelOperand) | with_flow(Flow::kJump);
constexpr uint16_t Lo = with_imm(Imm::kRelByte) | with_flow(Flow::kLoop);
constexpr uint16_t Ca = with_imm(Imm::kRelOperand) | with_flow(Flow::kCall);
constexpr uint16_t Re = with_flow(Flow::kReturn);
constexpr uint16_t Rw = with_flow(Flow::kReturn) | with_imm(Imm::kWord);
constexpr uint16_t Na = with_flow(Flow::kNativeOnly);
constexpr uint16_t Nw = with_flow(Flow::kNativeOnly) | with_imm(Imm::kWord);
constexpr uint16_t Ma = with_flow(Flow::kNativeOnly) | Mi;
constexpr uint16_t Sy = with_flow(Flow::kSyscall);
constexpr uint16_t Tr = with_flow(Flow::kTrap);
constexpr uint16_t Tb = with_flow(Flow::kTrap) | Nb;
constexpr uint16_t Tm = with_flow(Flow::kTrap) | kHasModrm;

constexpr uint16_t NP_ = 1U << kSelectShift;  // no prefix may select

// ModRM opcodes selected by a mandatory prefix (1 none, 2 66, 4 f3, 8 f2). T: with an immediate byte; U: irregular;
// V: both.
constexpr uint16_t S(unsigned selectors) {
  return static_cast<uint16_t>(M_ | (selectors << kSelectShift));
}
constexpr uint16_t T(unsigned selectors) {
  return static_cast<uint16_t>(Mb | (selectors << kSelectShift));
}
constexpr uint16_t U(unsigned selectors) {
  return static_cast<uint16_t>(Mi | (selectors << kSelectShift));
}
constexpr uint16_t V(unsigned selectors) {
  return static_cast<uint16_t>(Mbi | (selectors << kSelectShift));
}

}  // namespace

// clang-format off
constexpr uint16_t kOneByteAttributes[256] = {
#include "agent/x86/opcode_one_byte.inc"
};

constexpr uint16_t k0FAttributes[256] = {
#include "agent/x86/opcode_0f.inc"
};
// clang-format on

}  // namespace vsup::agent
