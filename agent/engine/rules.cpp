#include "agent/engine/rules.h"

#include "agent/base/check.h"
#include "agent/engine/link.h"

namespace vsup::agent {

namespace {

using protocol::kRbx;
using protocol::kRcx;
using protocol::kRdi;
using protocol::kRdx;
using protocol::kRsi;
using protocol::kRsp;

constexpr uint16_t bit(GprIndex reg) {
  return static_cast<uint16_t>(1u << reg);
}

constexpr uint8_t kGsPrefix = 0x65;
constexpr unsigned kMaxInstrBytes = 15;

uint64_t rip_target(const Source& source) {
  return raw(source.next()) + static_cast<uint64_t>(source.instr.mem.displacement);
}

uint8_t modrm_reg(const Instr& instr) {
  return instr.modrm >> 3 & 7;
}

constexpr uint16_t kBranchRegisters = bit(kRcx) | bit(kRdx);

// Puts the registers that jump_through_table() needs into their slots, unless a tool has; returns those that may no
// longer hold the app's values.
uint16_t spill_branch_registers(Emitter& out, const Source& source) {
  if (out.left_spilled() == kBranchRegisters) return kBranchRegisters;
  out.spill(kRcx);
  out.spill(kRdx);
  out.cover(source.offset);
  return 0;
}

bool has_rex(const Instr& instr, uint8_t bits) {
  return (instr.rex & bits) != 0;
}

// Whether [disp32] can name it, which reaches the first and the last 2 GiB.
bool fits_absolute(uint64_t target) {
  return target + 0x8000'0000 < 0x1'0000'0000;
}

// What follows the ModRM byte of [disp32]: a SIB byte without base and index, and the address.
void emit_absolute_operand(Emitter& out, uint64_t target) {
  out.byte(0x25);
  out.u32(static_cast<uint32_t>(target));
}

// In ModRM.rm of the instruction's new operand.
constexpr uint8_t kSibFollows = 4;

// The instruction with its memory operand replaced: `rm` is a register of rbx, rsi, rdi and the operand [rm], or
// kSibFollows and the operand [target]. A GS prefix is dropped.
void emit_readdressed(Emitter& out, const Source& source, uint8_t rm, uint64_t target = 0) {
  const Instr& instr = source.instr;
  uint8_t copy[16];
  for (unsigned i = 0; i < instr.length; ++i) copy[i] = source.bytes[i];
  uint8_t prefixes = instr.legacy_prefix_count;
  // The bits that extend base and index.
  switch (instr.space) {
    case Space::kLegacy:
      if (instr.rex != 0) copy[prefixes] &= 0xfc;
      break;
    case Space::kVex:
      if (copy[prefixes] == 0xc4) copy[prefixes + 1] |= 0x60;
      break;
    case Space::kXop:
    case Space::kEvex:
      copy[prefixes + 1] |= 0x60;
      break;
  }
  copy[instr.modrm_offset] = static_cast<uint8_t>((copy[instr.modrm_offset] & 0x38) | rm);
  for (unsigned i = 0; i <= instr.modrm_offset; ++i)
    if (i >= prefixes || copy[i] != kGsPrefix) out.byte(copy[i]);
  if (rm == kSibFollows) emit_absolute_operand(out, target);
  unsigned rest = instr.modrm_offset + 1u + (instr.has_sib ? 1u : 0u) + instr.disp_size;
  out.bytes(copy + rest, instr.length - rest);
}

// A register that the instruction, whose memory operand is about to be replaced, does not name otherwise. Beside the
// operands in ModRM.reg and vvvv only rax, rcx, rdx, rsp and (cmpxchg16b) rbx are ever used implicitly.
GprIndex scratch_for(const Instr& instr) {
  unsigned reg = modrm_reg(instr) | (has_rex(instr, 4) ? 8 : 0);
  unsigned vvvv = instr.space == Space::kLegacy ? 16 : instr.vvvv & 15u;
  static constexpr GprIndex kCandidates[] = {kRdi, kRsi, kRbx};
  for (GprIndex candidate : kCandidates)
    if (candidate != reg && candidate != vvvv) return candidate;
  return kRbx;
}

}  // namespace

void emit_load_target(Emitter& out, const Source& source, uint16_t spilled) {
  const Instr& instr = source.instr;
  if (instr.rip_relative()) {
    if (fits_absolute(rip_target(source))) {
      if (instr.segment == Segment::kFs) out.byte(0x64);
      out.bytes({0x48, 0x8b, kRcx << 3 | kSibFollows});
      emit_absolute_operand(out, rip_target(source));
      out.cover(source.offset, {.spilled = spilled});
      return;
    }
    out.load_constant(kRcx, rip_target(source));
    out.cover(source.offset, {.spilled = spilled});
    if (instr.segment == Segment::kFs) out.byte(0x64);
    out.load_displaced(kRcx, kRcx, 0);
    out.cover(source.offset, {.spilled = static_cast<uint16_t>(spilled | bit(kRcx))});
    return;
  }
  if (instr.mem.present) {
    if (instr.segment == Segment::kFs) out.byte(0x64);
    if (instr.address32) out.byte(0x67);
  }
  out.byte(static_cast<uint8_t>(0x48 | (instr.rex & 3)));
  out.byte(0x8b);
  out.byte(static_cast<uint8_t>((instr.modrm & 0xc7) | kRcx << 3));
  out.bytes(source.bytes + instr.modrm_offset + 1, instr.length - instr.modrm_offset - 1u);
  out.cover(source.offset, {.spilled = spilled});
}

// Rule 1: everything else.
// Match:   no rip-relative operand, no control flow
// Becomes: itself
// Needs:   nothing
void translate_plain(Emitter& out, const Source& source) {
  out.bytes(source.bytes, source.instr.length);
  out.cover(source.offset);
}

// Rule 2: rip-relative operand.
// Match:   [rip + disp32] in an instruction that is no branch
// Becomes: lea r64        mov r64, imm64
//          near address   itself with [disp32], without a base
//          mov r, [rip]   spill r ; mov r, imm64 ; mov r, [r]       (also movzx, movsx, movsxd; r 32 or 64 bits)
//          otherwise      spill s ; mov s, imm64 ; <instr> [s] ; unspill s
// Needs:   one scratch register in the last form; flags untouched
void translate_rip_relative(Emitter& out, const Source& source) {
  const Instr& instr = source.instr;
  uint64_t target = rip_target(source);
  bool one_byte = instr.space == Space::kLegacy && instr.map == OpMap::kOneByte;
  auto destination = static_cast<GprIndex>(modrm_reg(instr) | (has_rex(instr, 4) ? 8 : 0));
  if (one_byte && instr.opcode == 0x8d && !instr.operand16 && !instr.address32 && !instr.lock) {
    out.load_constant(destination, has_rex(instr, 8) ? target : target & 0xffff'ffff);
    out.cover(source.offset);
    return;
  }
  if (instr.address32) target &= 0xffff'ffff;
  if ((fits_absolute(target) || instr.address32) && instr.length < kMaxInstrBytes) {
    emit_readdressed(out, source, kSibFollows, target);
    out.cover(source.offset);
    return;
  }
  bool extending = instr.space == Space::kLegacy && instr.map == OpMap::k0F &&
                   (instr.opcode == 0xb6 || instr.opcode == 0xb7 || instr.opcode == 0xbe || instr.opcode == 0xbf);
  bool whole_load =
      !instr.lock && ((one_byte && (instr.opcode == 0x8b || instr.opcode == 0x63)) || extending) && !instr.operand16;
  if (whole_load && instr.segment == Segment::kDefault && destination != kRsp && !instr.address32) {
    bool usable_base = destination == kRbx || destination == kRsi || destination == kRdi;
    if (usable_base || (one_byte && instr.opcode == 0x8b)) {
      out.spill(destination);
      out.load_constant(destination, target);
      out.cover(source.offset);
      if (usable_base) {
        emit_readdressed(out, source, destination);
      } else if (has_rex(instr, 8)) {
        out.load_displaced(destination, destination, 0);
      } else {
        out.load_displaced32(destination, destination, 0);
      }
      out.cover(source.offset, {.spilled = bit(destination)});
      return;
    }
  }
  GprIndex scratch = scratch_for(instr);
  out.spill(scratch);
  out.load_constant(scratch, target);
  out.cover(source.offset);
  emit_readdressed(out, source, scratch);
  out.cover(source.offset, {.spilled = bit(scratch)});
  out.unspill(scratch);
  out.cover(source.offset + instr.length, {.spilled = bit(scratch)});
}

// Rule 3: jmp rel.
// Becomes: jmp to the fragment of the target, or to a stub
void translate_jump(Emitter& out, const Source& source) {
  emit_exit(out, LinkKind::kDirect, AppPc{source.instr.target});
  out.cover(source.offset);
}

// Rule 4: jcc rel.
// Becomes: jcc to the fragment of the target, or to a stub; inverted: jncc to that of the next instruction
void translate_cond_jump(Emitter& out, const Source& source, bool inverted) {
  const auto opcode = static_cast<uint8_t>(0x80 | (source.instr.condition() ^ (inverted ? 1 : 0)));
  emit_exit(out, LinkKind::kDirect, inverted ? source.next() : AppPc{source.instr.target}, opcode);
  out.cover(source.offset);
}

// Rule 5: loop, loope, loopne, jrcxz, jecxz.
// Becomes: <instr> over a jump ; jmp next ; jmp target
// Needs:   the jumps are no app state: rcx has been counted down already
void translate_loop(Emitter& out, const Source& source) {
  const Instr& instr = source.instr;
  if (instr.address32) out.byte(0x67);
  out.byte(instr.opcode);
  uint8_t* distance = out.here();
  out.byte(0);
  out.cover(source.offset);
  emit_exit(out, LinkKind::kDirect, source.next());
  store(distance, static_cast<uint8_t>(out.here() - (distance + 1)));
  emit_exit(out, LinkKind::kDirect, AppPc{instr.target});
  out.cover(source.offset + instr.length, {.step = true});
}

// Rule 6: call rel32.
// Becomes: push the app's return address, from a literal ; jmp to the fragment of the target
void translate_return_address(Emitter& out, const Source& source) {
  out.push_constant(raw(source.next()));
  out.cover(source.offset);
}
void translate_called(Emitter& out, const Source& source) {
  emit_exit(out, LinkKind::kDirect, AppPc{source.instr.target});
  out.cover(source.offset + source.instr.length, {.step = true});
}

// Rule 7: call and jmp r/m64.
// Becomes: spill rcx ; spill rdx ; mov rcx, r/m64 ; [push return address] ; movzx edx, cx ; jmp table[rdx]
// Needs:   rcx and rdx, which the prefix of the target gives back
void translate_indirect(Emitter& out, const Source& source) {
  const uint16_t spilled = spill_branch_registers(out, source);
  emit_load_target(out, source, spilled);
  if (source.instr.flow == Flow::kCallIndirect) {
    out.push_constant(raw(source.next()));
    out.cover(source.offset, {.spilled = static_cast<uint16_t>(spilled | bit(kRcx))});
  }
  out.jump_through_table();
  out.cover(source.offset + source.instr.length, {.step = true});
}

// Rule 8: ret, ret imm16.
// Becomes: spill rcx ; spill rdx ; pop rcx ; [lea rsp, [rsp + imm16]] ; movzx edx, cx ; jmp table[rdx]
void translate_return(Emitter& out, const Source& source) {
  const uint16_t spilled = spill_branch_registers(out, source);
  out.byte(0x59);
  out.cover(source.offset, {.spilled = spilled});
  if (source.instr.imm_size != 0) {
    static constexpr uint8_t kLeaRsp[] = {0x48, 0x8d, 0xa4, 0x24};
    out.bytes(kLeaRsp, sizeof kLeaRsp);
    out.u32(static_cast<uint32_t>(source.instr.imm) & 0xffff);
  }
  out.jump_through_table();
  out.cover(source.offset + source.instr.length, {.step = true});
}

bool can_translate_gs(const Instr& instr) {
  bool pop = instr.space == Space::kLegacy && instr.map == OpMap::kOneByte && instr.opcode == 0x8f;
  return instr.has_modrm && !instr.mem.vsib && !instr.address32 && !pop;
}

// Rule 9: memory operand in the app's GS segment, while GS base is ours.
// Becomes: spill s ; lea s, <address> ; spill t ; mov t, app_gs_base ; lea s, [s + t] ; unspill t ; <instr> [s] ;
//          unspill s
// Needs:   s, not otherwise named by the instruction; t, any other
void translate_gs(Emitter& out, const Source& source) {
  const Instr& instr = source.instr;
  GprIndex scratch = scratch_for(instr);
  GprIndex other = scratch == kRdi ? kRsi : kRdi;
  out.spill(scratch);
  out.cover(source.offset);
  if (instr.rip_relative()) {
    out.load_constant(scratch, rip_target(source));
  } else {
    bool plain_displacement = instr.mem.base == kNoReg;  // mod 0 with base 5: a displacement of its own kind
    out.byte(static_cast<uint8_t>(0x48 | (instr.rex & 3)));
    out.byte(0x8d);
    out.byte(static_cast<uint8_t>((plain_displacement ? 0x00 : 0x80) | scratch << 3 | (instr.modrm & 7)));
    if (instr.has_sib) out.byte(instr.sib);
    out.u32(static_cast<uint32_t>(instr.mem.displacement));
  }
  out.spill(other);
  out.load_context(other, VSUP_CTX_APP_GS_BASE);
  out.add_without_flags(scratch, other);
  out.unspill(other);
  out.cover(source.offset, {.step = true});  // none of these faults
  emit_readdressed(out, source, scratch);
  out.cover(source.offset, {.spilled = bit(scratch)});
  out.unspill(scratch);
  out.cover(source.offset + instr.length, {.spilled = bit(scratch)});
}

// Rule 10: popf.
// Becomes: test byte [rsp + 1], 1 ; jnz to native execution ; popf
// Needs:   nothing: the flags are about to be replaced. An app that sets the trap flag steps natively, or it would step
//          through our code.
void translate_popf(Emitter& out, const Source& source) {
  static constexpr uint8_t kTestTrapFlag[] = {0xf6, 0x44, 0x24, 0x01, 0x01};
  out.bytes(kTestTrapFlag, sizeof kTestTrapFlag);
  out.cover(source.offset);
  emit_exit(out, LinkKind::kNative, source.pc, 0x85);
  out.cover(source.offset);
  translate_plain(out, source);
}

}  // namespace vsup::agent
