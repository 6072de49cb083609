#include "agent/tools/cachesim/accesses.h"

namespace vsup::agent::cachesim {

namespace {

constexpr uint8_t kRsp = 4;

bool legacy(const Instr& instr, OpMap map, uint8_t opcode) {
  return instr.space == Space::kLegacy && instr.map == map && instr.opcode == opcode;
}

uint8_t modrm_reg(const Instr& instr) {
  return static_cast<uint8_t>(((instr.modrm >> 3) & 7) | ((instr.rex & 4) != 0 ? 8 : 0));
}

unsigned operand_size(const Instr& instr) {
  return (instr.rex & 8) != 0 ? 8 : instr.operand16 ? 2 : 4;
}

bool is_string(const Instr& instr) {
  if (instr.space != Space::kLegacy || instr.map != OpMap::kOneByte) return false;
  return (instr.opcode >= 0xa4 && instr.opcode <= 0xa7) || (instr.opcode >= 0xaa && instr.opcode <= 0xaf);
}

// bt, bts, btr, btc with a register as bit number.
bool is_bit_test(const Instr& instr) {
  return instr.space == Space::kLegacy && instr.map == OpMap::k0F &&
         (instr.opcode == 0xa3 || instr.opcode == 0xab || instr.opcode == 0xb3 || instr.opcode == 0xbb);
}

class Finder {
 public:
  Finder(const Instr& instr, const Effects& what, unsigned most, bool modify_writes, InstrAccesses& out)
      : instr_(instr), what_(what), most_(most), modify_writes_(modify_writes), out_(out) {}

  void find();

 private:
  DataAccess& add(const MemOperand& address, unsigned size, bool write) {
    DataAccess& access = out_.access[out_.count < kMaxAccesses ? out_.count++ : kMaxAccesses - 1];
    access = {address, static_cast<uint16_t>(size == 0 || size > most_ ? most_ : size), write, AddressKind::kPlain, 0,
              0};
    return access;
  }
  void bit_test();
  bool in_parts();
  bool state_of_registers();
  bool parts(int64_t offset, unsigned count, unsigned size, int64_t step, bool write = false);
  void general();

  const Instr& instr_;
  const Effects& what_;
  unsigned most_;
  bool modify_writes_;
  InstrAccesses& out_;
};

// In memory: one byte is read (and written back). In a register: Valgrind stores the register 288 bytes below the stack
// pointer, works on the byte there, and loads it again if the bit changes.
void Finder::bit_test() {
  const unsigned size = operand_size(instr_);
  const bool changes = instr_.opcode != 0xa3;
  MemOperand address = instr_.mem;
  if (!address.present) {
    address = {};
    address.present = true;
    address.base = kRsp;
    address.index = kNoReg;
    address.scale = 1;
    address.displacement = -288;
    add(address, size, true);
  }
  DataAccess& byte = add(address, 1, false);
  byte.kind = instr_.mem.present ? AddressKind::kBitOffset : AddressKind::kBitRemainder;
  byte.bit_register = modrm_reg(instr_);
  byte.bit_size = static_cast<uint8_t>(size);
  if (!changes) return;
  if (instr_.mem.present && instr_.lock) {
    const DataAccess first = byte;
    add(address, 1, false) = first;
    out_.untaken_branches = 1;
  }
  out_.access[out_.count - 1].write = modify_writes_;
  if (!instr_.mem.present) add(address, size, false);
}

// Vector operands that are loaded in parts, or otherwise than their form says.
bool Finder::in_parts() {
  const Instr& instr = instr_;
  if (!instr.mem.present) {
    // maskmovq, maskmovdqu: the whole operand is read, and written back.
    if (instr.map != OpMap::k0F || instr.opcode != 0xf7 || instr.space == Space::kEvex || what_.access_count != 1)
      return false;
    add(what_.access[0].address, what_.access[0].size, modify_writes_);
    return true;
  }
  const unsigned vector = instr.space == Space::kLegacy || instr.vector_length == 0 ? 16 : 32;
  if (instr.space == Space::kEvex) return false;
  if (instr.map == OpMap::k0F) {
    const bool packed_double = instr.mandatory_prefix == 0x66;
    switch (instr.opcode) {
      case 0x5a:  // cvtps2pd
        if (instr.mandatory_prefix != 0) return false;
        return parts(0, vector / 8, 4, 4);
      case 0x2c:  // cvttps2pi, cvttpd2pi, cvtps2pi, cvtpd2pi
      case 0x2d:
        if (instr.mandatory_prefix != 0 && !packed_double) return false;
        return parts(0, 2, packed_double ? 8 : 4, packed_double ? 8 : 4);
      case 0x12:  // vmovddup of 256 bits reads the even numbers alone
        if (instr.mandatory_prefix != 0xf2 || vector != 32) return false;
        return parts(0, 2, 8, 16);
      default:
        return false;
    }
  }
  // Packed fused multiplications: 96 to 9f, a6 to af, b6 to bf; from 8 on the odd ones are scalar.
  if (instr.space == Space::kVex && instr.map == OpMap::k0F38 && instr.opcode >= 0x96 && instr.opcode <= 0xbf &&
      (instr.opcode & 0xf) >= 6 && ((instr.opcode & 0xf) < 8 || (instr.opcode & 1) == 0)) {
    const unsigned element = (instr.rex & 8) != 0 ? 8 : 4;
    return parts(0, vector / element, element, element);
  }
  return false;
}

bool Finder::parts(int64_t offset, unsigned count, unsigned size, int64_t step, bool write) {
  MemOperand address = instr_.mem;
  address.displacement += offset;
  for (unsigned i = 0; i < count; ++i, address.displacement += step) add(address, size, write);
  return true;
}

// fxsave, fxrstor, xsave, xrstor and their like: the x87 state and mxcsr, the low halves of the vector registers, with
// xsave the upper halves and the header; as if all of them were asked for.
bool Finder::state_of_registers() {
  if (instr_.space != Space::kLegacy || !instr_.mem.present || instr_.map != OpMap::k0F) return false;
  const unsigned operation = instr_.modrm >> 3 & 7;
  const bool xsave = (instr_.opcode == 0xae && (operation == 4 || operation == 6)) ||
                     (instr_.opcode == 0xc7 && (operation == 4 || operation == 5));
  const bool xrstor = (instr_.opcode == 0xae && operation == 5) || (instr_.opcode == 0xc7 && operation == 3);
  const bool fxsave = instr_.opcode == 0xae && operation == 0, fxrstor = instr_.opcode == 0xae && operation == 1;
  if ((!xsave && !xrstor && !fxsave && !fxrstor) || instr_.mandatory_prefix != 0) return false;
  const bool write = xsave || fxsave;
  if (xrstor) parts(512, 3, 8, 8);
  parts(0, 1, 160, 0, write);
  parts(24, 1, 4, 0, write);
  parts(160, 16, 16, 16, write);
  if (xsave || xrstor) parts(576, 16, 16, 16, write);
  if (xsave) parts(512, 1, 8, 0, modify_writes_);
  return true;
}

void Finder::general() {
  const bool locked = locks_bus(instr_);
  const bool compare_exchange = instr_.space == Space::kLegacy && instr_.map == OpMap::k0F &&
                                (instr_.opcode == 0xb0 || instr_.opcode == 0xb1 || instr_.opcode == 0xc7);
  // What reads comes first.
  for (int pass = 0; pass < 2; ++pass) {
    for (unsigned i = 0; i < what_.access_count; ++i) {
      const Access& access = what_.access[i];
      if (access.address_only || (!access.read && !access.write) || access.read != (pass == 0)) continue;
      const bool modifies = access.read && access.write;
      // A locked one is a load and a compare-and-swap, and a branch back if that failed.
      if (locked && modifies && !compare_exchange) {
        add(access.address, access.size, false);
        out_.untaken_branches = 1;
      }
      add(access.address, access.size, modifies ? modify_writes_ : pass == 1);
    }
  }
}

void Finder::find() {
  if (is_bit_test(instr_)) return bit_test();
  if (in_parts() || state_of_registers()) return;
  general();
  if (legacy(instr_, OpMap::kOneByte, 0xd7) && out_.count == 1) out_.access[0].kind = AddressKind::kByteIndex;
  // pop to memory: rsp is the one after the pop.
  if (legacy(instr_, OpMap::kOneByte, 0x8f)) {
    for (unsigned i = 0; i < out_.count; ++i)
      if (out_.access[i].write && out_.access[i].address.base == kRsp) out_.access[i].address.displacement += 8;
  }
  if (is_string(instr_) && (instr_.rep || instr_.repne)) {
    const bool compares = (instr_.opcode | 1) == 0xa7 || (instr_.opcode | 1) == 0xaf;
    out_.repetition = !compares    ? Repetition::kCounted
                      : instr_.rep ? Repetition::kWhileEqual
                                   : Repetition::kWhileUnequal;
  }
}

}  // namespace

bool locks_bus(const Instr& instr) {
  return instr.lock || (instr.mem.present && instr.space == Space::kLegacy && instr.map == OpMap::kOneByte &&
                        (instr.opcode == 0x86 || instr.opcode == 0x87));
}

void find_accesses(const Instr& instr, const Effects& what, unsigned most, bool modify_writes, InstrAccesses& out) {
  out.count = 0;
  out.untaken_branches = 0;
  out.repetition = Repetition::kNone;
  Finder(instr, what, most, modify_writes, out).find();
}

}  // namespace vsup::agent::cachesim
