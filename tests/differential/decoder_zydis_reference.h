// Purpose: what Zydis says of an instruction, as an Observation.
// Assumes: Zydis 4.0. Promises: only changes of convention here; disagreements are rows of decoder_exceptions.def.
//
// Conventions translated:
// - a register written in part (8 or 16 bits of a general one, less than 128 of a vector one by SSE), or perhaps not
//   written, keeps what it was: it counts as read too; the same holds for flags that are only perhaps written;
// - pushes are given at rsp after the decrement there, relative to rsp before it here;
// - no-operation and prefetch operands are addresses without access here, and the registers of a nop are not read.
#pragma once

#include <Zydis/Zydis.h>

#include "tests/differential/decoder_observation.h"

namespace vsup::test {

class ZydisReference {
 public:
  ZydisReference() {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&decoder_, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder_, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder_, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
  }

  Observation observe(const uint8_t* bytes, size_t size, uint64_t pc) {
    Observation seen;
    seen.valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes, size, &instruction_, operands_));
    if (!seen.valid) return seen;
    seen.length = instruction_.length;
    seen.flow = flow();
    if (seen.flow == agent::Flow::kJump || seen.flow == agent::Flow::kCondJump || seen.flow == agent::Flow::kLoop ||
        seen.flow == agent::Flow::kCall) {
      seen.target = pc + instruction_.length + operands_[0].imm.value.u;
    }
    seen.layout = layout();
    flags(seen);
    for (unsigned i = 0; i < instruction_.operand_count; i++) operand(operands_[i], seen);
    return seen;
  }

  // Of the last observation, where it was valid.
  const ZydisDecodedInstruction& instruction() const { return instruction_; }
  const ZydisDecodedOperand* operands() const { return operands_; }

  std::string text() const {
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    char text[256];
    ZydisFormatterFormatInstruction(&formatter, &instruction_, operands_, instruction_.operand_count_visible, text,
                                    sizeof text, 0, nullptr);
    return text;
  }

 private:
  static bool reads(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
  }
  static bool writes(const ZydisDecodedOperand& operand) {
    return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  }
  static bool perhaps_writes(const ZydisDecodedOperand& operand) {
    return writes(operand) && (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) == 0;
  }

  Layout layout() const {
    const ZydisDecodedInstructionRaw& raw = instruction_.raw;
    Layout layout;
    layout.modrm_offset = (instruction_.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 ? raw.modrm.offset : 0;
    layout.disp_size = raw.disp.size / 8U;
    layout.disp_offset = layout.disp_size == 0 ? 0 : raw.disp.offset;
    layout.imm_size = (raw.imm[0].size + raw.imm[1].size) / 8U;
    layout.imm_offset = layout.imm_size == 0 ? 0 : raw.imm[0].offset;
    return layout;
  }

  agent::Flow flow() const {
    const bool immediate = operands_[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    const bool far = instruction_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    agent::Flow flow = agent::Flow::kNone;
    switch (instruction_.mnemonic) {
      case ZYDIS_MNEMONIC_JMP:
        flow = far ? agent::Flow::kNativeOnly : immediate ? agent::Flow::kJump : agent::Flow::kJumpIndirect;
        break;
      case ZYDIS_MNEMONIC_CALL:
        flow = far ? agent::Flow::kNativeOnly : immediate ? agent::Flow::kCall : agent::Flow::kCallIndirect;
        break;
      case ZYDIS_MNEMONIC_RET:
        flow = far ? agent::Flow::kNativeOnly : agent::Flow::kReturn;
        break;
      case ZYDIS_MNEMONIC_LOOP:
      case ZYDIS_MNEMONIC_LOOPE:
      case ZYDIS_MNEMONIC_LOOPNE:
      case ZYDIS_MNEMONIC_JECXZ:
      case ZYDIS_MNEMONIC_JRCXZ:
        flow = agent::Flow::kLoop;
        break;
      case ZYDIS_MNEMONIC_SYSCALL:
        return agent::Flow::kSyscall;
      case ZYDIS_MNEMONIC_INT3:
      case ZYDIS_MNEMONIC_INT:
      case ZYDIS_MNEMONIC_INT1:
      case ZYDIS_MNEMONIC_UD0:
      case ZYDIS_MNEMONIC_UD1:
      case ZYDIS_MNEMONIC_UD2:
      case ZYDIS_MNEMONIC_HLT:
        return agent::Flow::kTrap;
      case ZYDIS_MNEMONIC_IRET:
      case ZYDIS_MNEMONIC_IRETD:
      case ZYDIS_MNEMONIC_IRETQ:
      case ZYDIS_MNEMONIC_SYSENTER:
      case ZYDIS_MNEMONIC_SYSEXIT:
      case ZYDIS_MNEMONIC_SYSRET:
      case ZYDIS_MNEMONIC_XBEGIN:
      case ZYDIS_MNEMONIC_LSS:
      case ZYDIS_MNEMONIC_LFS:
      case ZYDIS_MNEMONIC_LGS:
        return agent::Flow::kNativeOnly;
      case ZYDIS_MNEMONIC_MOV:
      case ZYDIS_MNEMONIC_POP: {
        const bool to_segment = operands_[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                                ZydisRegisterGetClass(operands_[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
        return to_segment ? agent::Flow::kNativeOnly : agent::Flow::kNone;
      }
      default:
        if (instruction_.meta.category == ZYDIS_CATEGORY_COND_BR) flow = agent::Flow::kCondJump;
        break;
    }
    const bool narrow = (instruction_.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0 && instruction_.raw.rex.W == 0;
    return flow != agent::Flow::kNone && narrow ? agent::Flow::kNativeOnly : flow;
  }

  void flags(Observation& seen) const {
    if (instruction_.cpu_flags == nullptr) return;
    const ZydisAccessedFlags& flags = *instruction_.cpu_flags;
    seen.flags_read = flags.tested & agent::kFlagsAll;
    seen.flags_written = (flags.modified | flags.set_0 | flags.set_1 | flags.undefined) & agent::kFlagsAll;
  }

  void operand(const ZydisDecodedOperand& operand, Observation& seen) const {
    const bool padding = instruction_.mnemonic == ZYDIS_MNEMONIC_NOP;
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && !padding) reg(operand, seen);
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) memory(operand, seen);
  }

  static void mark(uint32_t& read, uint32_t& written, unsigned number, const ZydisDecodedOperand& operand,
                   bool partial) {
    if (reads(operand) || (writes(operand) && (partial || perhaps_writes(operand)))) read |= 1U << number;
    if (writes(operand)) written |= 1U << number;
  }

  void reg(const ZydisDecodedOperand& operand, Observation& seen) const {
    const ZydisRegister name = operand.reg.value;
    const unsigned number = static_cast<unsigned>(ZydisRegisterGetId(name));
    switch (ZydisRegisterGetClass(name)) {
      case ZYDIS_REGCLASS_GPR8:
        return mark(seen.gpr_read, seen.gpr_written, byte_register(name), operand, true);
      case ZYDIS_REGCLASS_GPR16:
        return mark(seen.gpr_read, seen.gpr_written, number, operand, true);
      case ZYDIS_REGCLASS_GPR32:
      case ZYDIS_REGCLASS_GPR64:
        return mark(seen.gpr_read, seen.gpr_written, number, operand, false);
      case ZYDIS_REGCLASS_XMM:
      case ZYDIS_REGCLASS_YMM:
      case ZYDIS_REGCLASS_ZMM:
        return vectors(number, operand, seen);
      case ZYDIS_REGCLASS_MASK:
        if (operand.encoding == ZYDIS_OPERAND_ENCODING_MASK && number == 0) return;  // no mask
        return mark(seen.mask_read, seen.mask_written, number, operand, false);
      case ZYDIS_REGCLASS_X87:
      case ZYDIS_REGCLASS_MMX:
        seen.x87 = true;
        return;
      case ZYDIS_REGCLASS_FLAGS:
        if (perhaps_writes(operand)) seen.flags_read |= seen.flags_written;
        return;
      default:
        if (name == ZYDIS_REGISTER_X87STATUS || name == ZYDIS_REGISTER_X87CONTROL || name == ZYDIS_REGISTER_X87TAG) {
          seen.x87 = true;
        }
        return;
    }
  }

  void vectors(unsigned number, const ZydisDecodedOperand& operand, Observation& seen) const {
    const bool partial = operand.size < 128 && instruction_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    const bool four = (operand.attributes & ZYDIS_OATTRIB_IS_MULTISOURCE4) != 0;
    for (unsigned i = 0; i < (four ? 4 : 1); i++) {
      mark(seen.vector_read, seen.vector_written, four ? (number & ~3U) + i : number, operand, partial);
    }
  }

  static unsigned byte_register(ZydisRegister name) {
    const unsigned number = static_cast<unsigned>(name) - ZYDIS_REGISTER_AL;
    if (number < 4) return number;
    return number < 8 ? number - 4 : number - 4;  // ah to bh, then spl to r15b
  }

  static uint8_t address_register(ZydisRegister name) {
    if (name == ZYDIS_REGISTER_NONE) return agent::kNoReg;
    if (name == ZYDIS_REGISTER_RIP || name == ZYDIS_REGISTER_EIP) return agent::kRipReg;
    return static_cast<uint8_t>(ZydisRegisterGetId(name));
  }

  void memory(const ZydisDecodedOperand& operand, Observation& seen) const {
    const ZydisDecodedOperandMem& mem = operand.mem;
    const bool implicit = operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
    AccessKey access;
    access.base = address_register(mem.base);
    access.index = address_register(mem.index);
    access.scale = mem.index == ZYDIS_REGISTER_NONE ? 1 : mem.scale;
    access.vsib = mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    access.address32 = instruction_.address_width == 32;
    access.segment = mem.segment == ZYDIS_REGISTER_FS   ? agent::Segment::kFs
                     : mem.segment == ZYDIS_REGISTER_GS ? agent::Segment::kGs
                                                        : agent::Segment::kDefault;
    access.displacement = mem.disp.has_displacement ? mem.disp.value : 0;
    access.size = operand.size / 8;
    access.read = reads(operand);
    access.write = writes(operand);
    const bool stack = implicit && (mem.base == ZYDIS_REGISTER_RSP || mem.base == ZYDIS_REGISTER_RBP) &&
                       instruction_.mnemonic != ZYDIS_MNEMONIC_MOVDIR64B;
    if (stack) access.address32 = false;  // the stack is addressed with 64 bits whatever the prefix
    const bool pushes = stack && mem.base == ZYDIS_REGISTER_RSP && access.write;
    if (pushes) {
      access.displacement = -static_cast<int64_t>(access.size);
    }
    if (mem.type == ZYDIS_MEMOP_TYPE_AGEN || is_hint()) {
      access.read = access.write = false;
      access.address_only = true;
      access.size = 0;
    }
    if (!implicit || !stack) address_registers(mem, seen);
    seen.accesses.push_back(access);
  }

  static void address_registers(const ZydisDecodedOperandMem& mem, Observation& seen) {
    for (const ZydisRegister name : {mem.base, mem.index}) {
      const uint8_t number = address_register(name);
      if (number == agent::kNoReg || number == agent::kRipReg) continue;
      const ZydisRegisterClass kind = ZydisRegisterGetClass(name);
      const bool general = kind == ZYDIS_REGCLASS_GPR32 || kind == ZYDIS_REGCLASS_GPR64 || kind == ZYDIS_REGCLASS_GPR8;
      (general ? seen.gpr_read : seen.vector_read) |= 1U << number;
    }
  }

  bool is_hint() const {
    switch (instruction_.mnemonic) {
      case ZYDIS_MNEMONIC_NOP:
      case ZYDIS_MNEMONIC_PREFETCH:
      case ZYDIS_MNEMONIC_PREFETCHNTA:
      case ZYDIS_MNEMONIC_PREFETCHT0:
      case ZYDIS_MNEMONIC_PREFETCHT1:
      case ZYDIS_MNEMONIC_PREFETCHT2:
      case ZYDIS_MNEMONIC_PREFETCHW:
      case ZYDIS_MNEMONIC_PREFETCHWT1:
      case ZYDIS_MNEMONIC_CLFLUSH:
      case ZYDIS_MNEMONIC_CLFLUSHOPT:
      case ZYDIS_MNEMONIC_CLWB:
      case ZYDIS_MNEMONIC_INVLPG:
        return true;
      default:
        return false;
    }
  }

  ZydisDecoder decoder_;
  ZydisDecodedInstruction instruction_;
  ZydisDecodedOperand operands_[ZYDIS_MAX_OPERAND_COUNT];
};

}  // namespace vsup::test
