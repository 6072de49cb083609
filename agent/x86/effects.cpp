// Purpose: effects(): what an instruction reads and writes, from its form.
// Assumes: `instr` comes from decode(). Promises: see decoder.h; where the form is conditional, both possibilities
// count.
#include "agent/x86/decoder.h"
#include "agent/x86/effects_implicit.h"
#include "agent/x86/form.h"

namespace vsup::agent {
namespace {

using forms::Form;
using forms::Where;

constexpr uint8_t kRexB = 1, kRexX = 2, kRexR = 4, kRexW = 8;
constexpr uint8_t kRax = 0, kRcx = 1, kRdx = 2;

// What is done to an operand.
struct Action {
  bool read, write, conditional;
};

// One call of effects() in progress.
class Collector {
 public:
  Collector(const Form& form, const Instr& instr, Effects& out)
      : form_(form), instr_(instr), out_(out), operand_size_(forms::resolve_size(forms::kSizeV, instr)) {}

  void collect();

 private:
  void operand(forms::Operand operand);
  void general(unsigned number, unsigned size, Action action);
  void general_byte(unsigned number, Action action);
  void vector(unsigned number, Action action);
  void mask(unsigned number, Action action);
  void memory(Action action);
  void mask_register();

  bool rex(uint8_t bit) const { return (instr_.rex & bit) != 0; }
  bool in_memory() const { return instr_.mem.present; }
  unsigned reg() const { return ((instr_.modrm >> 3) & 7) | (rex(kRexR) ? 8 : 0); }
  unsigned rm() const { return (instr_.modrm & 7) | (rex(kRexB) ? 8 : 0); }
  unsigned opcode_register() const { return (instr_.opcode & 7) | (rex(kRexB) ? 8 : 0); }
  unsigned vector_reg() const { return reg() | (instr_.evex_r2 ? 16 : 0); }
  unsigned vector_rm() const { return rm() | (instr_.space == Space::kEvex && rex(kRexX) ? 16 : 0); }
  unsigned wide_size() const { return rex(kRexW) ? 8 : 4; }

  // evex with merging masks leaves elements of the destination as they are.
  Action merged(Action action) const {
    action.conditional |= instr_.evex_aaa != 0 && !instr_.evex_z && (form_.traits & forms::kTraitBlend) == 0;
    return action;
  }

  const Form& form_;
  const Instr& instr_;
  Effects& out_;
  unsigned operand_size_;
};

// A write of less than 32 bits, or one that may not happen, keeps the old value or a part of it: it counts as read.
void Collector::general(unsigned number, unsigned size, Action action) {
  const uint16_t bit = static_cast<uint16_t>(1U << (number & 15));
  if (action.write) out_.gpr_written |= bit;
  if (action.read || (action.write && (size < 4 || action.conditional))) out_.gpr_read |= bit;
}

void Collector::general_byte(unsigned number, Action action) {
  const bool high_byte = instr_.rex == 0 && number >= 4;  // ah, ch, dh, bh
  general(high_byte ? number - 4 : number, 1, action);
}

void Collector::vector(unsigned number, Action action) {
  const uint32_t bit = 1U << (number & 31);
  if (action.write) out_.vector_written |= bit;
  if (action.read || (action.write && action.conditional)) out_.vector_read |= bit;
}

void Collector::mask(unsigned number, Action action) {
  const uint8_t bit = static_cast<uint8_t>(1U << (number & 7));
  if (action.write) out_.mask_written |= bit;
  if (action.read) out_.mask_read |= bit;
}

void Collector::memory(Action action) {
  Access& access = out_.access[out_.access_count++];
  access.address = instr_.mem;
  access.size = static_cast<uint16_t>(forms::memory_size(form_, instr_));
  access.read = action.read;
  access.write = action.write;
  access.address_only = !action.read && !action.write;
}

void Collector::operand(forms::Operand operand) {
  const Action action{(operand.bits & forms::kReadBit) != 0, (operand.bits & forms::kWriteBit) != 0,
                      (operand.bits & forms::kConditionalBit) != 0};
  const Where where = static_cast<Where>(operand.bits & forms::kWhereMask);
  switch (where) {
    case Where::kNone:
      return;
    case Where::kGb:
      return general_byte(reg(), action);
    case Where::kGw:
      return general(reg(), 2, action);
    case Where::kGv:
      return general(reg(), operand_size_, action);
    case Where::kGy:
      return general(reg(), wide_size(), action);
    case Where::kEb:
      return in_memory() ? memory(action) : general_byte(rm(), action);
    case Where::kEw:
      return in_memory() ? memory(action) : general(rm(), 2, action);
    case Where::kEv:
      return in_memory() ? memory(action) : general(rm(), operand_size_, action);
    case Where::kEy:
      return in_memory() ? memory(action) : general(rm(), wide_size(), action);
    case Where::kEq:
      return in_memory() ? memory(action) : general(rm(), operand_size_ == 2 ? 2 : 8, action);
    case Where::kRb:
      return general_byte(opcode_register(), action);
    case Where::kRv:
      return general(opcode_register(), operand_size_, action);
    case Where::kRq:
      return general(opcode_register(), operand_size_ == 2 ? 2 : 8, action);
    case Where::kBy:
      return general(instr_.vvvv, wide_size(), action);
    case Where::kV:
      return vector(vector_reg(), merged(action));
    case Where::kW:
      return in_memory() ? memory(action) : vector(vector_rm(), merged(action));
    case Where::kH:
      return vector(instr_.vvvv, merged(action));
    case Where::kL:
      return vector((static_cast<uint64_t>(instr_.imm) >> 4) & 15, action);
    case Where::kK:
      return mask(reg(), action);
    case Where::kJ:
      return in_memory() ? memory(action) : mask(rm(), action);
    case Where::kI:
      return mask(instr_.vvvv, action);
    case Where::kP:
      return;
    case Where::kQ:
      if (in_memory()) memory(action);
      return;
    case Where::kM:
      return memory(action);
    case Where::kAb:
      return general(kRax, 1, action);
    case Where::kAw:
      return general(kRax, 2, action);
    case Where::kAv:
      return general(kRax, operand_size_, action);
    case Where::kDv:
      return general(kRdx, operand_size_, action);
    case Where::kCl:
      return general(kRcx, 1, action);
    case Where::kX0:
      return vector(0, action);
  }
}

// The mask of evex, and what hangs on it.
void Collector::mask_register() {
  if (instr_.evex_aaa != 0) {
    mask(instr_.evex_aaa, {true, (form_.traits & forms::kTraitVsib) != 0, false});  // gathers and scatters clear it
  }
  if ((form_.traits & forms::kTraitMaskPair) != 0) {
    mask(reg() & 6, {false, true, false});
    mask(reg() | 1, {false, true, false});
  }
}

FlagUse flags_of(const Form& form, const Instr& instr) {
  static constexpr FlagUse kRows[] = {
#define VSUP_FLAG_EFFECT(name, read, written) {read, written},
#include "agent/x86/flag_effects.def"
#undef VSUP_FLAG_EFFECT
  };
  static constexpr uint32_t kOfCondition[8] = {
      kFlagOf, kFlagCf, kFlagZf, kFlagCf | kFlagZf, kFlagSf, kFlagPf, kFlagSf | kFlagOf, kFlagZf | kFlagSf | kFlagOf,
  };
  FlagUse use = kRows[static_cast<unsigned>(form.flag_effect)];
  const int64_t count = instr.imm & ((instr.rex & kRexW) != 0 ? 63 : 31);
  if (form.flag_effect == forms::FlagEffect::kCondition) use.read = kOfCondition[instr.condition() / 2];
  if (form.flag_effect == forms::FlagEffect::kShiftImmediate ||
      form.flag_effect == forms::FlagEffect::kRotateImmediate) {
    if (count != 0) use.read = 0;  // then they change for certain
  } else if (form.flag_effect == forms::FlagEffect::kRotateCarryImmediate) {
    if (count != 0) use.read = kFlagCf;
  }
  return use;
}

// Most instructions of compiled code: mov, lea, push and pop, and the arithmetic of the first rows of the opcode map.
bool is_plain(const Instr& instr, FlagUse& use) {
  if (instr.space != Space::kLegacy || instr.map != OpMap::kOneByte) return false;
  const uint8_t opcode = instr.opcode;
  const bool moves = opcode == 0x63 || opcode == 0x8d || (opcode >= 0x50 && opcode <= 0x5f) ||
                     (opcode >= 0x88 && opcode <= 0x8b) || (opcode >= 0xb0 && opcode <= 0xbf);
  use = {};
  if (moves) return true;
  unsigned operation = opcode >> 3;
  if (opcode >= 0x80 && opcode <= 0x83 && opcode != 0x82) {
    operation = instr.modrm >> 3 & 7;
  } else if (opcode == 0x84 || opcode == 0x85) {
    operation = 0;
  } else if (opcode >= 0x40 || (opcode & 7) > 5) {
    return false;
  }
  const bool carries = operation == 2 || operation == 3;  // adc, sbb
  use = {carries ? kFlagCf : 0U, kFlagsArithmetic};
  return true;
}

void Collector::collect() {
  for (const forms::Operand each : form_.operands) operand(each);
  mask_register();
  const FlagUse flags = flags_of(form_, instr_);
  out_.flags_read = flags.read;
  out_.flags_written = flags.written;
  out_.x87 = (form_.traits & forms::kTraitX87) != 0;
  out_.reads_mxcsr = (form_.traits & forms::kTraitMxcsr) != 0;
  add_implicit_effects(form_, instr_, out_);
  if (!instr_.mem.present) return;
  const MemOperand& mem = instr_.mem;
  if (mem.base < 16) out_.gpr_read |= static_cast<uint16_t>(1U << mem.base);
  if (mem.index == kNoReg) return;
  if (mem.vsib) {
    out_.vector_read |= 1U << mem.index;
  } else {
    out_.gpr_read |= static_cast<uint16_t>(1U << mem.index);
  }
}

}  // namespace

void effects(const Instr& instr, Effects& out) {
  out = {};
  const Form* form = forms::find_form(instr);
  if (form != nullptr) Collector(*form, instr, out).collect();
}

FlagUse flag_use(const Instr& instr) {
  FlagUse use;
  if (is_plain(instr, use)) return use;
  const Form* form = forms::find_form(instr);
  if (form == nullptr) return {};
  if (form->implicit == forms::Implicit::kNone) return flags_of(*form, instr);
  Effects what;  // strings that compare use them in their own way
  effects(instr, what);
  return {what.flags_read, what.flags_written};
}

}  // namespace vsup::agent
