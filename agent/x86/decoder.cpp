// Purpose: decode(): prefixes, opcode, ModRM, displacement, immediate, flow.
// Assumes: the attribute tables of opcode_attributes.h, which alone answer for most instructions without vector prefix,
// and the forms, which say whether the others exist and how evex scales their displacement. Promises: see decoder.h.
#include "agent/x86/decoder.h"

#include "agent/x86/form.h"
#include "agent/x86/opcode_attributes.h"

namespace vsup::agent {
namespace {

constexpr uint8_t kRexB = 1, kRexX = 2, kRexR = 4, kRexW = 8;
constexpr unsigned kMaxLength = 15;

// Walks the bytes. `limit` is where they or the longest instruction end.
struct Cursor {
  const uint8_t* bytes;
  unsigned position;
  unsigned limit;

  bool has(unsigned count) const { return position + count <= limit; }
  uint8_t peek() const { return bytes[position]; }
  uint8_t next() { return bytes[position++]; }
};

int64_t read_signed(const uint8_t* bytes, unsigned size) {
  uint64_t value = 0;
  for (unsigned i = size; i-- > 0;) value = (value << 8) | bytes[i];
  if (size == 8 || size == 0) return static_cast<int64_t>(value);
  const unsigned unused_bits = 64 - 8 * size;
  return static_cast<int64_t>(value << unused_bits) >> unused_bits;
}

// Legacy prefixes and rex. Leaves the cursor on the first byte that is neither.
bool read_prefixes(Cursor& cursor, Instr& instr) {
  for (;;) {
    if (!cursor.has(1)) return false;
    const uint8_t byte = cursor.peek();
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        break;
      case 0x64:
        instr.segment = Segment::kFs;
        break;
      case 0x65:
        instr.segment = Segment::kGs;
        break;
      case 0x66:
        instr.operand16 = true;
        break;
      case 0x67:
        instr.address32 = true;
        break;
      case 0xf0:
        instr.lock = true;
        break;
      case 0xf2:
        instr.repne = true;
        instr.mandatory_prefix = byte;
        break;
      case 0xf3:
        instr.rep = true;
        instr.mandatory_prefix = byte;
        break;
      default:
        if ((byte & 0xf0) != 0x40) return true;
        instr.rex = byte;
        instr.legacy_prefix_count = static_cast<uint8_t>(cursor.position);
        cursor.position++;
        continue;
    }
    instr.rex = 0;  // a rex that is not the last prefix has no effect
    cursor.position++;
    instr.legacy_prefix_count = static_cast<uint8_t>(cursor.position);
  }
}

constexpr uint8_t kPrefixOfPp[4] = {0, 0x66, 0xf3, 0xf2};

bool set_vex_map(Instr& instr, unsigned map) {
  switch (map) {
    case 1:
      instr.map = OpMap::k0F;
      return true;
    case 2:
      instr.map = OpMap::k0F38;
      return true;
    case 3:
      instr.map = OpMap::k0F3A;
      return true;
    case 5:
      instr.map = OpMap::kMap5;
      return instr.space == Space::kEvex;
    case 6:
      instr.map = OpMap::kMap6;
      return instr.space == Space::kEvex;
    default:
      return false;
  }
}

// The second and third byte of c4 and 8f; `map_byte` ~R ~X ~B mmmmm, `tail` W ~vvvv L pp.
void set_vex_fields(Instr& instr, uint8_t map_byte, uint8_t tail) {
  const uint8_t rxb = static_cast<uint8_t>((~map_byte >> 5) & 7);
  instr.rex = static_cast<uint8_t>(0x40 | (tail >> 7 << 3) | rxb);
  instr.vvvv = static_cast<uint8_t>((~tail >> 3) & 0xf);
  instr.vector_length = static_cast<uint8_t>((tail >> 2) & 1);
  instr.mandatory_prefix = kPrefixOfPp[tail & 3];
}

// Reads what follows the byte c4, c5, 62 or 8f up to and with the opcode. No legacy prefix but segment and 67 may
// precede.
bool read_vector_prefix(Cursor& cursor, Instr& instr, uint8_t lead) {
  if (instr.rex != 0 || instr.lock || instr.rep || instr.repne || instr.operand16) return false;
  if (lead == 0xc5) {
    if (!cursor.has(2)) return false;
    const uint8_t tail = cursor.next();
    instr.space = Space::kVex;
    instr.map = OpMap::k0F;
    set_vex_fields(instr, static_cast<uint8_t>((tail & 0x80) | 0x60), tail & 0x7f);
  } else if (lead == 0x62) {
    if (!cursor.has(4)) return false;
    const uint8_t p0 = cursor.next(), p1 = cursor.next(), p2 = cursor.next();
    instr.space = Space::kEvex;
    if ((p0 & 0x08) != 0 || (p1 & 0x04) == 0 || !set_vex_map(instr, p0 & 7)) return false;
    set_vex_fields(instr, p0, p1);
    instr.evex_r2 = (p0 & 0x10) == 0;
    instr.vvvv |= static_cast<uint8_t>((~p2 & 0x08) << 1);
    instr.vector_length = (p2 >> 5) & 3;
    instr.evex_aaa = p2 & 7;
    instr.evex_z = (p2 & 0x80) != 0;
    instr.evex_b = (p2 & 0x10) != 0;
  } else {
    if (!cursor.has(3)) return false;
    const uint8_t map_byte = cursor.next(), tail = cursor.next();
    set_vex_fields(instr, map_byte, tail);
    if (lead == 0xc4) {
      instr.space = Space::kVex;
      if (!set_vex_map(instr, map_byte & 0x1f)) return false;
    } else {
      instr.space = Space::kXop;
      const unsigned map = map_byte & 0x1f;
      if (map > 10 || instr.mandatory_prefix != 0) return false;
      instr.map = static_cast<OpMap>(static_cast<unsigned>(OpMap::kXop8) + map - 8);
    }
  }
  instr.opcode_offset = static_cast<uint8_t>(cursor.position);
  instr.opcode = cursor.next();
  return true;
}

// How an instruction reads its memory operand.
struct Addressing {
  unsigned disp8_shift;  // log2 of the scale of an evex disp8
  bool vsib;
};

// SIB and displacement after a ModRM byte.
bool read_address(Cursor& cursor, Instr& instr, Addressing addressing) {
  const unsigned mod = instr.modrm >> 6, rm = instr.modrm & 7;
  if (mod == 3) return true;
  MemOperand& mem = instr.mem;
  mem.present = true;
  mem.segment = instr.segment;
  mem.address32 = instr.address32;
  mem.scale = 1;
  mem.index = kNoReg;
  const uint8_t base_high = (instr.rex & kRexB) != 0 ? 8 : 0;
  mem.base = static_cast<uint8_t>(rm | base_high);
  unsigned disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
  if (rm == 4) {
    if (!cursor.has(1)) return false;
    const uint8_t sib = cursor.next();
    instr.has_sib = true;
    instr.sib = sib;
    uint8_t index = static_cast<uint8_t>(((sib >> 3) & 7) | ((instr.rex & kRexX) != 0 ? 8 : 0));
    mem.vsib = addressing.vsib;
    if (addressing.vsib) index |= instr.vvvv & 0x10;
    if (index != 4 || addressing.vsib) {
      mem.index = index;
      mem.scale = static_cast<uint8_t>(1U << (sib >> 6));
    }
    mem.base = static_cast<uint8_t>((sib & 7) | base_high);
    if (mod == 0 && (sib & 7) == 5) {
      mem.base = kNoReg;
      disp_size = 4;
    }
  } else if (mod == 0 && rm == 5) {
    mem.base = kRipReg;
    disp_size = 4;
  }
  if (disp_size != 0) {
    if (!cursor.has(disp_size)) return false;
    instr.disp_size = static_cast<uint8_t>(disp_size);
    instr.disp_offset = static_cast<uint8_t>(cursor.position);
    mem.displacement = read_signed(cursor.bytes + cursor.position, disp_size);
    if (disp_size == 1)
      mem.displacement = static_cast<int64_t>(static_cast<uint64_t>(mem.displacement) << addressing.disp8_shift);
    cursor.position += disp_size;
  }
  return true;
}

unsigned imm_bytes(const Instr& instr, Imm kind) {
  const bool wide = (instr.rex & kRexW) != 0;
  switch (kind) {
    case Imm::kNone:
      return 0;
    case Imm::kByte:
    case Imm::kRelByte:
      return 1;
    case Imm::kWord:
      return 2;
    case Imm::kOperand:
      return !wide && instr.operand16 ? 2 : 4;
    case Imm::kWide:
      return wide ? 8 : instr.operand16 ? 2 : 4;
    case Imm::kMoffs:
      return instr.address32 ? 4 : 8;
    case Imm::kEnter:
      return 3;
    case Imm::kTwoBytes:
      return 2;
    case Imm::kRelOperand:
    case Imm::kDword:
      return 4;
  }
  return 0;
}

bool read_imm(Cursor& cursor, Instr& instr, Imm kind) {
  const unsigned size = imm_bytes(instr, kind);
  if (!cursor.has(size)) return false;
  const uint8_t* at = cursor.bytes + cursor.position;
  const uint8_t offset = static_cast<uint8_t>(cursor.position);
  cursor.position += size;
  if (kind == Imm::kMoffs) {
    instr.disp_size = static_cast<uint8_t>(size);
    instr.disp_offset = offset;
    MemOperand& mem = instr.mem;
    mem.present = true;
    mem.base = mem.index = kNoReg;
    mem.scale = 1;
    mem.segment = instr.segment;
    mem.address32 = instr.address32;
    mem.displacement = read_signed(at, size);
    return true;
  }
  instr.imm_size = static_cast<uint8_t>(size);
  instr.imm_offset = offset;
  instr.imm = read_signed(at, size);
  return true;
}

// Flow and immediate of the one-byte opcodes that ModRM divides further.
void refine_group(Instr& instr, Imm& imm, Flow& flow) {
  const unsigned reg = (instr.modrm >> 3) & 7;
  switch (instr.opcode) {
    case 0x8d:  // lea
      instr.mem.segment = Segment::kDefault;
      break;
    case 0xc7:
      if (instr.modrm == 0xf8) {  // xbegin
        imm = Imm::kOperand;
        flow = Flow::kNativeOnly;
      }
      break;
    case 0xf6:
      if (reg <= 1) imm = Imm::kByte;
      break;
    case 0xf7:
      if (reg <= 1) imm = Imm::kOperand;
      break;
    case 0xff:
      if (reg == 2) flow = Flow::kCallIndirect;
      if (reg == 4) flow = Flow::kJumpIndirect;
      if (reg == 3 || reg == 5) flow = Flow::kNativeOnly;
      break;
    default:
      break;
  }
}

// The prefix that takes part in selecting the opcode: the last of f2 and f3, else 66.
void set_mandatory_prefix(Instr& instr, bool selects) {
  if (!selects) {
    instr.mandatory_prefix = 0;
  } else if (instr.mandatory_prefix == 0 && instr.operand16) {
    instr.mandatory_prefix = 0x66;
  }
}

// Whether the prefixes select an instruction of this opcode; sets the mandatory prefix.
bool select_by_prefix(Instr& instr, uint16_t attributes) {
  const unsigned selectors = (attributes & kSelectMask) >> kSelectShift;
  set_mandatory_prefix(instr, selectors != 0);
  if (selectors == 0) return true;
  const unsigned selector = instr.mandatory_prefix == 0      ? forms::NP
                            : instr.mandatory_prefix == 0x66 ? forms::P66
                            : instr.mandatory_prefix == 0xf3 ? forms::PF3
                                                             : forms::PF2;
  return (selectors & selector) != 0;
}

// Whether there is such an instruction, of those that opcode and prefix do not settle.
bool check_form(Instr& instr) {
  const forms::Form* form = forms::find_form(instr);
  if (form == nullptr) return false;
  set_mandatory_prefix(instr, form->select != forms::ANY);
  return true;
}

// Reads the opcode after its escape bytes and returns its attributes.
bool read_opcode(Cursor& cursor, Instr& instr, uint16_t& attributes) {
  uint8_t opcode = cursor.next();
  attributes = kOneByteAttributes[opcode];
  if (opcode == 0x0f) {
    if (!cursor.has(1)) return false;
    opcode = cursor.next();
    instr.map = OpMap::k0F;
    attributes = k0FAttributes[opcode];
    if (opcode == 0x38 || opcode == 0x3a) {
      if (!cursor.has(1)) return false;
      instr.map = opcode == 0x38 ? OpMap::k0F38 : OpMap::k0F3A;
      attributes = kHasModrm | kIrregular | with_imm(opcode == 0x38 ? Imm::kNone : Imm::kByte);
      opcode = cursor.next();
    } else if (opcode == 0x0f) {
      instr.map = OpMap::k3dNow;
    }
  }
  instr.opcode_offset = static_cast<uint8_t>(cursor.position - 1);
  instr.opcode = opcode;
  return (attributes & kInvalidOpcode) == 0;
}

bool near_branch(Flow flow) {
  return flow != Flow::kNone && flow <= Flow::kReturn;
}

// Opcode, ModRM, displacement and immediate of an instruction without vector prefix.
bool read_legacy(Cursor& cursor, Instr& instr) {
  uint16_t attributes;
  if (!read_opcode(cursor, instr, attributes)) return false;
  if ((attributes & kHasModrm) != 0) {
    if (!cursor.has(1)) return false;
    instr.has_modrm = true;
    instr.modrm_offset = static_cast<uint8_t>(cursor.position);
    instr.modrm = cursor.next();
    const bool register_always = instr.map == OpMap::k0F && (instr.opcode & 0xfc) == 0x20;  // mov to and from cr, dr
    if (!register_always && !read_address(cursor, instr, {0, false})) return false;
  }
  Imm imm = imm_of(attributes);
  instr.flow = flow_of(attributes);
  if ((attributes & kIrregular) != 0 && instr.map == OpMap::kOneByte) refine_group(instr, imm, instr.flow);
  if (instr.map == OpMap::k0F && instr.opcode == 0x78 && instr.mandatory_prefix + instr.operand16 != 0) {
    imm = Imm::kTwoBytes;  // extrq, insertq
  }
  if (imm != Imm::kNone && !read_imm(cursor, instr, imm)) return false;
  if (instr.map == OpMap::k3dNow) {  // what looks like an immediate is the opcode
    instr.opcode = static_cast<uint8_t>(instr.imm);
    instr.opcode_offset = instr.imm_offset;
    instr.imm_size = 0;
    instr.imm = 0;
  }
  if ((attributes & kIrregular) != 0 || instr.lock) {
    if (!check_form(instr)) return false;
  } else if (!select_by_prefix(instr, attributes)) {
    return false;
  }
  // With 66, but without rex.W, the makers of processors do not agree on near branches.
  if (near_branch(instr.flow) && instr.operand16 && (instr.rex & kRexW) == 0) instr.flow = Flow::kNativeOnly;
  return true;
}

Imm vector_imm(const Instr& instr) {
  switch (instr.map) {
    case OpMap::k0F:
      return (instr.opcode >= 0x70 && instr.opcode <= 0x73) || instr.opcode == 0xc2 ||
                     (instr.opcode >= 0xc4 && instr.opcode <= 0xc6)
                 ? Imm::kByte
                 : Imm::kNone;
    case OpMap::k0F3A:
    case OpMap::kXop8:
      return Imm::kByte;
    case OpMap::kXopA:
      return Imm::kDword;
    default:
      return Imm::kNone;
  }
}

Addressing addressing_of(const forms::Form& form, const Instr& instr) {
  Addressing addressing{0, (form.traits & forms::kTraitVsib) != 0};
  if (instr.space != Space::kEvex) return addressing;
  const uint8_t scale = instr.evex_b ? form.element : form.disp8 != 0 ? form.disp8 : form.size;
  for (unsigned bytes = forms::resolve_size(scale, instr); bytes > 1; bytes /= 2) addressing.disp8_shift++;
  return addressing;
}

// Gathers fault when destination, index and, in vex, mask are not different registers.
bool gather_allowed(const forms::Form& form, const Instr& instr) {
  if ((form.traits & forms::kTraitGather) == 0) return true;
  const unsigned destination = ((instr.modrm >> 3) & 7) | ((instr.rex & kRexR) != 0 ? 8 : 0) | (instr.evex_r2 ? 16 : 0);
  if (destination == instr.mem.index) return false;
  return instr.space == Space::kEvex || (instr.vvvv != destination && instr.vvvv != instr.mem.index);
}

bool read_vector(Cursor& cursor, Instr& instr) {
  const bool has_modrm = instr.space != Space::kVex || instr.map != OpMap::k0F || instr.opcode != 0x77;  // vzeroupper
  if (has_modrm) {
    if (!cursor.has(1)) return false;
    instr.has_modrm = true;
    instr.modrm_offset = static_cast<uint8_t>(cursor.position);
    instr.modrm = cursor.next();
  }
  const forms::Form* form = forms::find_form(instr);
  if (form == nullptr) return false;
  if (!has_modrm) return true;
  if (instr.evex_b && (instr.modrm >> 6) == 3) instr.vector_length = 2;  // L'L is the rounding mode then
  return read_address(cursor, instr, addressing_of(*form, instr)) && gather_allowed(*form, instr) &&
         read_imm(cursor, instr, vector_imm(instr));
}

bool has_vector_prefix(const Cursor& cursor) {
  const uint8_t lead = cursor.peek();
  if (lead == 0xc4 || lead == 0xc5 || lead == 0x62) return true;
  return lead == 0x8f && cursor.has(2) && (cursor.bytes[cursor.position + 1] & 0x1f) >= 8;
}

}  // namespace

bool decode(const uint8_t* bytes, size_t size, uint64_t pc, Instr& instr) {
  instr = {};
  Cursor cursor{bytes, 0, size < kMaxLength ? static_cast<unsigned>(size) : kMaxLength};
  if (!read_prefixes(cursor, instr)) return false;
  if (has_vector_prefix(cursor)) {
    const uint8_t lead = cursor.next();
    if (!read_vector_prefix(cursor, instr, lead) || !read_vector(cursor, instr)) return false;
  } else if (!read_legacy(cursor, instr)) {
    return false;
  }
  instr.length = static_cast<uint8_t>(cursor.position);
  if (instr.flow == Flow::kJump || instr.flow == Flow::kCondJump || instr.flow == Flow::kLoop ||
      instr.flow == Flow::kCall) {
    instr.target = pc + instr.length + static_cast<uint64_t>(instr.imm);
  }
  return true;
}

}  // namespace vsup::agent
