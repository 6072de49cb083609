// Purpose: the table of forms, its index, and the search for the form of an instruction.
// Assumes: forms_*.inc list the rows of one opcode in order of preference. Promises: see form.h.
#include "agent/x86/form.h"

#include "agent/x86/form_builder.h"

namespace vsup::agent::forms {
namespace {

constexpr Form kForms[] = {
// clang-format off
#include "agent/x86/forms_one_byte.inc"
#include "agent/x86/forms_x87.inc"
#include "agent/x86/forms_0f.inc"
#include "agent/x86/forms_sse.inc"
#include "agent/x86/forms_vex.inc"
#include "agent/x86/forms_evex.inc"
#include "agent/x86/forms_fp16.inc"
#include "agent/x86/forms_xop.inc"
    // clang-format on
};
constexpr unsigned kFormCount = sizeof(kForms) / sizeof(kForms[0]);
constexpr unsigned kTableCount = static_cast<unsigned>(Table::kCount);

constexpr unsigned count_entries() {
  unsigned count = 0;
  for (const Form& form : kForms) count += form.opcode_count;
  return count;
}

// The rows of opcode `o` in table `t` are kForms[entry[i]] for i from start[256 t + o] to start[256 t + o + 1].
struct Index {
  uint16_t start[256 * kTableCount + 1];
  uint16_t entry[count_entries()];
};

constexpr Index build_index() {
  Index index{};
  for (const Form& form : kForms) {
    const unsigned first = 256 * static_cast<unsigned>(form.table) + form.opcode;
    for (unsigned i = 0; i < form.opcode_count; i++) index.start[first + i + 1]++;
  }
  for (unsigned i = 1; i <= 256 * kTableCount; i++) index.start[i] += index.start[i - 1];
  uint16_t used[256 * kTableCount] = {};
  for (unsigned number = 0; number < kFormCount; number++) {
    const Form& form = kForms[number];
    const unsigned first = 256 * static_cast<unsigned>(form.table) + form.opcode;
    for (unsigned i = 0; i < form.opcode_count; i++) {
      index.entry[index.start[first + i] + used[first + i]++] = static_cast<uint16_t>(number);
    }
  }
  return index;
}

constexpr Index kIndex = build_index();

constexpr uint8_t kRexB = 1, kRexX = 2, kRexR = 4, kRexW = 8;

Table table_of(const Instr& instr) {
  const unsigned map = static_cast<unsigned>(instr.map) - static_cast<unsigned>(OpMap::k0F);
  switch (instr.space) {
    case Space::kLegacy:
      if (instr.map == OpMap::k3dNow) return Table::k3dNow;
      return static_cast<Table>(static_cast<unsigned>(Table::k0F) + map);  // one-byte is just below
    case Space::kVex:
      return static_cast<Table>(static_cast<unsigned>(Table::kVex0F) + map);
    case Space::kEvex:
      return static_cast<Table>(static_cast<unsigned>(Table::kEvex0F) + map);
    case Space::kXop:
      break;
  }
  return static_cast<Table>(static_cast<unsigned>(Table::kXop8) + static_cast<unsigned>(instr.map) -
                            static_cast<unsigned>(OpMap::kXop8));
}

uint8_t selector_of(const Instr& instr) {
  switch (instr.mandatory_prefix) {
    case 0:
      return instr.space == Space::kLegacy && instr.operand16 ? P66 : NP;
    case 0x66:
      return P66;
    case 0xf3:
      return PF3;
    default:
      return PF2;
  }
}

bool uses(const Form& form, Where first, Where last) {
  for (const Operand operand : form.operands) {
    const Where where = static_cast<Where>(operand.bits & kWhereMask);
    if (where >= first && where <= last) return true;
  }
  return false;
}

bool uses(const Form& form, Where where) {
  return uses(form, where, where);
}

bool writes_memory_or_mask(const Form& form, bool memory) {
  for (const Operand operand : form.operands) {
    const Where where = static_cast<Where>(operand.bits & kWhereMask);
    if ((operand.bits & kWriteBit) == 0) continue;
    if (where == Where::kK || where == Where::kM || (memory && where == Where::kW)) return true;
  }
  return false;
}

bool uses_vvvv(const Form& form) {
  return uses(form, Where::kBy) || uses(form, Where::kH) || uses(form, Where::kI) || (form.traits & kTraitTiles) != 0;
}

// The rules of evex beyond table lookup: L'L, b, z, aaa.
bool evex_allowed(const Form& form, const Instr& instr, bool memory) {
  if (instr.evex_b && memory && form.element == 0) return false;
  const bool register_b = instr.evex_b && !memory;
  if (register_b && (form.traits & (kTraitRounding | kTraitSae)) == 0) return false;
  if ((form.traits & kTraitScalar) == 0) {
    const unsigned length = register_b ? 2 : instr.vector_length;  // rounding implies 512 bits
    if (length > 2 || (form.lengths & (1U << length)) == 0) return false;
  } else if (!register_b && instr.vector_length > 2) {
    return false;
  }
  if (instr.evex_aaa != 0 && (form.traits & kTraitNoMask) != 0) return false;
  if (instr.evex_aaa == 0 && (instr.evex_z || (form.traits & kTraitNeedsMask) != 0)) return false;
  if (instr.evex_z && ((form.traits & kTraitNeedsMask) != 0 || writes_memory_or_mask(form, memory))) return false;
  return true;
}

// Of evex.
bool destination_is_new(const Instr& instr) {
  const unsigned destination = ((instr.modrm >> 3) & 7) | ((instr.rex & kRexR) != 0 ? 8 : 0) | (instr.evex_r2 ? 16 : 0);
  const unsigned source = (instr.modrm & 7) | ((instr.rex & kRexB) != 0 ? 8 : 0) | ((instr.rex & kRexX) != 0 ? 16 : 0);
  return destination != instr.vvvv && ((instr.modrm >> 6) != 3 || destination != source);
}

bool tiles_allowed(const Instr& instr) {
  const unsigned reg = (instr.modrm >> 3) & 7, rm = instr.modrm & 7, third = instr.vvvv;
  return (instr.rex & (kRexB | kRexR)) == 0 && third < 8 && reg != rm && reg != third && rm != third;
}

// Mask registers and tiles are eight, and evex.R' makes no general register: a bit that would name another faults.
bool register_bits_allowed(const Form& form, const Instr& instr) {
  if ((form.traits & kTraitTiles) != 0 && !tiles_allowed(instr)) return false;
  if ((form.traits & kTraitNewDestination) != 0 && !destination_is_new(instr)) return false;
  for (const Operand operand : form.operands) {
    const Where where = static_cast<Where>(operand.bits & kWhereMask);
    if (where == Where::kK && ((instr.rex & kRexR) != 0 || instr.evex_r2)) return false;
    if (where == Where::kI && instr.vvvv > 7) return false;
    if ((where == Where::kGy || where == Where::kGv) && instr.evex_r2) return false;
  }
  return true;
}

bool vector_prefix_allowed(const Form& form, const Instr& instr, bool memory) {
  if (instr.space == Space::kEvex) {
    if (!evex_allowed(form, instr, memory)) return false;
  } else if ((form.traits & kTraitScalar) == 0 && (form.lengths & (1U << instr.vector_length)) == 0) {
    return false;
  }
  const uint8_t unused_vvvv =
      (form.traits & kTraitVsib) != 0 && instr.space == Space::kEvex ? instr.vvvv & 0xf : instr.vvvv;
  return unused_vvvv == 0 || uses_vvvv(form);
}

bool matches(const Form& form, const Instr& instr, uint8_t selector) {
  if ((form.select & selector) == 0) return false;
  const unsigned reg = (instr.modrm >> 3) & 7, rm = instr.modrm & 7;
  if ((form.regs & (1U << reg)) == 0) return false;
  const bool memory = instr.has_modrm && (instr.modrm >> 6) != 3 && (form.traits & kTraitAnyMod) == 0;
  if ((form.mods & (memory ? 1 : 2)) == 0 && instr.has_modrm) return false;
  if (!memory && instr.has_modrm && (form.rms & (1U << rm)) == 0) return false;
  if ((form.traits & kTraitNoRexB) != 0 && (instr.rex & kRexB) != 0) return false;
  if ((form.traits & kTraitNoRexR) != 0 && (instr.rex & kRexR) != 0) return false;
  if (instr.lock && ((form.traits & kTraitLock) == 0 || !memory)) return false;
  if (instr.space == Space::kLegacy) return true;
  if ((form.widths & ((instr.rex & kRexW) != 0 ? 2 : 1)) == 0) return false;
  if ((form.traits & (kTraitVsib | kTraitNeedsSib)) != 0 && rm != 4) return false;
  return vector_prefix_allowed(form, instr, memory) && register_bits_allowed(form, instr);
}

}  // namespace

const Form* find_form(const Instr& instr) {
  const unsigned slot = 256 * static_cast<unsigned>(table_of(instr)) + instr.opcode;
  const uint8_t selector = selector_of(instr);
  for (unsigned i = kIndex.start[slot]; i < kIndex.start[slot + 1]; i++) {
    const Form& form = kForms[kIndex.entry[i]];
    if (matches(form, instr, selector)) return &form;
  }
  return nullptr;
}

unsigned resolve_size(uint8_t size, const Instr& instr) {
  const bool wide = (instr.rex & kRexW) != 0;
  const unsigned operand = wide ? 8 : instr.operand16 ? 2 : 4;
  const unsigned vector = 16U << instr.vector_length;
  switch (size) {
    case kSizeV:
      return operand;
    case kSizeY:
      return wide ? 8 : 4;
    case kSizeZ:
      return operand == 2 ? 2 : 4;
    case kSizeStack:
      return operand == 2 ? 2 : 8;
    case kSizeFar:
      return operand + 2;
    case kSizePair:
      return wide ? 16 : 8;
    case kSizeVl:
      return vector;
    case kSizeVl2:
      return vector / 2;
    case kSizeVl4:
      return vector / 4;
    case kSizeVl8:
      return vector / 8;
    case kSizeDup:
      return instr.vector_length == 0 ? 8 : vector;
    case kSizeFpuEnv:
      return operand == 2 ? 14 : 28;
    case kSizeFpuState:
      return operand == 2 ? 94 : 108;
    case kSize512:
      return 512;
    case kSize0:
      return 0;
    default:
      return size;
  }
}

unsigned memory_size(const Form& form, const Instr& instr) {
  return resolve_size(instr.evex_b && instr.mem.present ? form.element : form.size, instr);
}

}  // namespace vsup::agent::forms
