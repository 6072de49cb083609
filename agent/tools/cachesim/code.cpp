#include "agent/tools/cachesim/code.h"

#include "agent/base/memory.h"

#pragma GCC visibility push(hidden)
extern "C" void vsup_simulate();
#pragma GCC visibility pop

namespace vsup::agent::cachesim {

namespace {

using protocol::kRcx;

constexpr uint32_t kArgumentOffset = kStateOffset + offsetof(ThreadState, argument);
constexpr uint32_t kClockOffset = kStateOffset + offsetof(ThreadState, clock);
constexpr uint32_t kDescriptorOffset = kStateOffset + offsetof(ThreadState, descriptor);
constexpr uint8_t kJumpAbove = 0x87, kJumpEqual = 0x84, kJumpNotEqual = 0x85, kJumpAlways = 0;

constexpr uint8_t kMove = 0x8b, kMoveTo = 0x89, kAdd = 0x03, kSubtract = 0x2b, kXor = 0x33, kXorTo = 0x31;

bool fits_byte(int64_t value) {
  return value >= -128 && value <= 127;
}

}  // namespace

// opcode reg, gs:[index + offset]; index is neither rsp nor r12.
void Code::gs_indexed(uint8_t opcode, GprIndex reg, GprIndex index, uint32_t offset, bool wide) {
  out_.byte(0x65);
  out_.byte(static_cast<uint8_t>(0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | (index >= 8 ? 1 : 0)));
  out_.byte(opcode);
  out_.byte(static_cast<uint8_t>(0x80 | (reg & 7) << 3 | (index & 7)));
  out_.u32(offset);
}

void Code::register_pair(uint8_t opcode, GprIndex reg, GprIndex rm, bool wide) {
  const auto rex = static_cast<uint8_t>(0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0));
  if (rex != 0x40) out_.byte(rex);
  out_.byte(opcode);
  out_.byte(static_cast<uint8_t>(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

void Code::store_immediate(Emitter& to, uint32_t offset, uint32_t value) {
  to.bytes({0x65, 0xc7, 0x04, 0x25});  // mov dword gs:[offset], value
  to.u32(offset);
  to.u32(value);
}

void Code::call_slow_path(Emitter& to, uint32_t number) {
  store_immediate(to, kDescriptorOffset, number);
  to.step_call(&vsup_simulate);
}

template <typename Fill>
void Code::detour(uint8_t jcc, Fill fill) {
  uint8_t* stub = code_cache.cold();
  if (jcc != kJumpAlways) {
    out_.byte(0x0f);
    out_.byte(jcc);
  } else {
    out_.byte(0xe9);
  }
  out_.u32(static_cast<uint32_t>(stub - (out_.here() + 4)));
  Emitter cold(stub, nullptr);
  fill(cold);
  cold.jump(out_.here());
  code_cache.set_cold(cold.here());
}

// Makes a line of I1 the last used of its set and goes back; falls through when it is not there.
void Code::other_line(Emitter& cold, uint32_t line, uint64_t set, const GprIndex* scratch) {
  const uint32_t use = kI1UsesOffset + 8 * line;
  constexpr uint32_t kSpill = VSUP_CTX_SPILL + 8 * protocol::kRsp;
  const GprIndex reg = scratch != nullptr ? *scratch : protocol::kRax;
  cold.gs_absolute(0x83, 7, use);  // cmp qword gs:[use], 0
  cold.byte(0);
  cold.bytes({0x0f, kJumpEqual});
  uint8_t* const misses = cold.place_rel32();
  if (scratch == nullptr) cold.gs_absolute(kMoveTo, reg, kSpill);
  Code(cold).tick(reg);
  cold.gs_absolute(kMoveTo, reg, use);
  if (scratch == nullptr) cold.gs_absolute(kMove, reg, kSpill);
  store_immediate(cold, static_cast<uint32_t>(kI1FirstOffset + 4 * set), line);
  cold.jump(out_.here());
  Emitter::land(misses, cold.here());
}

void Code::fetch(const Descriptor& place, uint32_t number, bool checks_first, const GprIndex* scratch) {
  if (configuration.has(kLineUse)) {
    call_slow_path(out_, number);
    return;
  }
  const CacheShape i1 = configuration.i1;
  const auto compare = [this, i1](uint32_t line, uint64_t address) {
    const uint64_t set = (address >> i1.line_bits) & (i1.sets - 1);
    out_.bytes({0x65, 0x81, 0x3c, 0x25});  // cmp dword gs:[disp32], imm32
    out_.u32(static_cast<uint32_t>(kI1FirstOffset + 4 * set));
    out_.u32(line);
  };
  const auto settle = [this, i1, number, scratch](uint32_t line, uint64_t address) {
    detour(kJumpNotEqual, [&](Emitter& cold) {
      other_line(cold, line, (address >> i1.line_bits) & (i1.sets - 1), scratch);
      call_slow_path(cold, number);
    });
  };
  if (place.second_line == 0) {
    compare(place.first_line, place.address);
    settle(place.first_line, place.address);
    return;
  }
  uint8_t* to_both = nullptr;
  if (checks_first) {
    compare(place.first_line, place.address);
    out_.bytes({0x0f, kJumpNotEqual});
    to_both = out_.place_rel32();
  }
  const uint64_t second = place.address + place.size - 1;
  compare(place.second_line, second);
  settle(place.second_line, second);
  if (to_both == nullptr) return;
  Emitter cold(code_cache.cold(), nullptr);
  Emitter::land(to_both, cold.here());
  call_slow_path(cold, number);
  cold.jump(out_.here());
  code_cache.set_cold(cold.here());
}

// lea reg, [address]; a segment is not part of it.
void Code::lea(GprIndex reg, const MemOperand& address) {
  if (address.address32) out_.byte(0x67);
  const bool has_base = address.base != kNoReg, has_index = address.index != kNoReg;
  const unsigned base = has_base ? address.base : 5, index = has_index ? address.index : 4;
  out_.byte(static_cast<uint8_t>(0x48 | (reg >= 8 ? 4 : 0) | (has_index && index >= 8 ? 2 : 0) |
                                 (has_base && base >= 8 ? 1 : 0)));
  out_.byte(0x8d);
  const bool short_form = has_base && fits_byte(address.displacement);
  const bool with_sib = has_index || !has_base || (base & 7) == 4;
  const unsigned mod = !has_base ? 0x00 : short_form ? 0x40 : 0x80;
  out_.byte(static_cast<uint8_t>(mod | (reg & 7u) << 3 | (with_sib ? 4 : base & 7)));
  if (with_sib) {
    const unsigned scale = address.scale == 8 ? 3 : address.scale == 4 ? 2 : address.scale == 2 ? 1 : 0;
    out_.byte(static_cast<uint8_t>(scale << 6 | (index & 7) << 3 | (base & 7)));
  }
  if (short_form)
    out_.byte(static_cast<uint8_t>(address.displacement));
  else
    out_.u32(static_cast<uint32_t>(address.displacement));
}

// s = the address of the access; t may be used.
void Code::address_of(const DataAccess& access, uint64_t next_pc, GprIndex s, GprIndex t) {
  const MemOperand& address = access.address;
  const auto displacement = static_cast<uint64_t>(address.displacement);
  if (address.base == kRipReg) {
    const uint64_t target = next_pc + displacement;
    out_.load_constant(s, address.address32 ? target & 0xffff'ffff : target);
  } else if (address.base == kNoReg && address.index == kNoReg) {
    out_.load_constant(s, address.address32 ? displacement & 0xffff'ffff : displacement);
  } else {
    lea(s, address);
  }
  if (address.segment == Segment::kFs) {
    out_.byte(0xf3);  // rdfsbase t
    out_.byte(static_cast<uint8_t>(0x48 | (t >= 8 ? 1 : 0)));
    out_.bytes({0x0f, 0xae});
    out_.byte(static_cast<uint8_t>(0xc0 | (t & 7)));
    register_pair(kAdd, s, t, true);
  } else if (address.segment == Segment::kGs) {
    out_.gs_absolute(kAdd, s, VSUP_CTX_APP_GS_BASE);
  }
  const auto bits = static_cast<GprIndex>(access.bit_register);
  switch (access.kind) {
    case AddressKind::kPlain:
      return;
    case AddressKind::kByteIndex:
      // movzx t, al
      out_.byte(static_cast<uint8_t>(0x40 | (t >= 8 ? 4 : 0)));
      out_.bytes({0x0f, 0xb6});
      out_.byte(static_cast<uint8_t>(0xc0 | (t & 7) << 3));
      break;
    case AddressKind::kBitOffset:
      // movsx t, bits of its size ; sar t, 3
      if (access.bit_size == 2) {
        out_.byte(static_cast<uint8_t>(0x48 | (t >= 8 ? 4 : 0) | (bits >= 8 ? 1 : 0)));
        out_.bytes({0x0f, 0xbf});
        out_.byte(static_cast<uint8_t>(0xc0 | (t & 7) << 3 | (bits & 7)));
      } else {
        register_pair(access.bit_size == 4 ? 0x63 : kMove, t, bits, true);
      }
      out_.byte(static_cast<uint8_t>(0x48 | (t >= 8 ? 1 : 0)));
      out_.bytes({0xc1});
      out_.byte(static_cast<uint8_t>(0xf8 | (t & 7)));
      out_.byte(3);
      break;
    case AddressKind::kBitRemainder:
      register_pair(kMove, t, bits, false);
      and_constant(t, 8u * access.bit_size - 1);
      shift_right(t, 3);
      break;
  }
  register_pair(kAdd, s, t, true);
}

// s is the address. Where the line's hint names its way and the access lies within it, makes it the last used of its
// set and goes back; else s is the address again.
void Code::other_way(Emitter& cold, GprIndex s, GprIndex t, int64_t last) {
  const CacheShape& d1 = configuration.d1;
  constexpr uint32_t kLine = kD1WaysOffset + offsetof(DataWay, line), kUse = kD1WaysOffset + offsetof(DataWay, use);
  Code code(cold);
  // t = the way: hints are 4 bytes each
  code.register_pair(kMove, t, s, false);
  code.shift_right(t, static_cast<uint8_t>(d1.line_bits - 2));
  code.and_constant(t, (kHints - 1) << 2);
  code.gs_indexed(kMove, t, t, kD1HintsOffset, false);
  code.gs_indexed(kSubtract, s, t, kLine);
  code.compare_last(s, last);
  cold.bytes({0x0f, kJumpAbove});
  uint8_t* const elsewhere = cold.place_rel32();
  code.tick(s);
  code.gs_indexed(kMoveTo, s, t, kUse);
  code.gs_indexed(kMove, s, t, kLine);
  code.register_pair(kMove, t, s, false);
  code.and_constant(t, (d1.sets - 1) << d1.line_bits);
  code.gs_indexed(kMoveTo, s, t, kD1FirstOffset);
  cold.jump(out_.here());
  Emitter::land(elsewhere, cold.here());
  code.gs_indexed(kAdd, s, t, kLine);
}

// reg = ++ThreadState::clock
void Code::tick(GprIndex reg) {
  out_.gs_absolute(kMove, reg, kClockOffset);
  out_.byte(static_cast<uint8_t>(0x48 | (reg >= 8 ? 1 : 0)));  // inc
  out_.byte(0xff);
  out_.byte(static_cast<uint8_t>(0xc0 | (reg & 7)));
  out_.gs_absolute(kMoveTo, reg, kClockOffset);
}

void Code::and_constant(GprIndex reg, uint32_t value) {
  out_.byte(static_cast<uint8_t>(0x40 | (reg >= 8 ? 1 : 0)));
  out_.byte(0x81);
  out_.byte(static_cast<uint8_t>(0xe0 | (reg & 7)));
  out_.u32(value);
}

void Code::shift_right(GprIndex reg, uint8_t bits) {
  out_.byte(static_cast<uint8_t>(0x40 | (reg >= 8 ? 1 : 0)));
  out_.byte(0xc1);
  out_.byte(static_cast<uint8_t>(0xe8 | (reg & 7)));
  out_.byte(bits);
}

void Code::compare_last(GprIndex s, int64_t last) {
  out_.byte(static_cast<uint8_t>(0x48 | (s >= 8 ? 1 : 0)));  // cmp s, last
  out_.byte(fits_byte(last) ? 0x83 : 0x81);
  out_.byte(static_cast<uint8_t>(0xf8 | (s & 7)));
  if (fits_byte(last))
    out_.byte(static_cast<uint8_t>(last));
  else
    out_.u32(static_cast<uint32_t>(last));
}

void Code::data(const DataAccess& access, uint64_t next_pc, uint32_t number, GprIndex s, GprIndex t) {
  address_of(access, next_pc, s, t);
  const CacheShape& d1 = configuration.d1;
  if (configuration.has(kLineUse) || (access.write && configuration.has(kWriteBack))) {
    always(number, s);
    return;
  }
  register_pair(kMove, t, s, false);
  and_constant(t, (d1.sets - 1) << d1.line_bits);
  gs_indexed(kSubtract, s, t, kD1FirstOffset);
  const int64_t last = (int64_t{1} << d1.line_bits) - access.size;
  compare_last(s, last);
  detour(kJumpAbove, [&](Emitter& cold) {
    Code(cold).gs_indexed(kAdd, s, t, kD1FirstOffset);  // the address again
    other_way(cold, s, t, last);
    cold.gs_absolute(kMoveTo, s, kArgumentOffset);
    call_slow_path(cold, number);
  });
}

void Code::always(uint32_t number, GprIndex reg) {
  out_.gs_absolute(kMoveTo, reg, kArgumentOffset);
  call_slow_path(out_, number);
}

void Code::taken(const Instr& instr, GprIndex reg, GprIndex other) {
  const auto set = [this](uint8_t condition, GprIndex to) {  // setcc to ; movzx to, to
    for (int i = 0; i < 2; ++i) {
      out_.byte(static_cast<uint8_t>(0x40 | (to >= 8 ? (i == 0 ? 1 : 5) : 0)));
      out_.byte(0x0f);
      out_.byte(i == 0 ? static_cast<uint8_t>(0x90 | condition) : 0xb6);
      out_.byte(static_cast<uint8_t>(0xc0 | (i == 0 ? 0 : (to & 7) << 3) | (to & 7)));
    }
  };
  constexpr uint8_t kEqual = 4, kNotEqual = 5;
  if (instr.flow == Flow::kCondJump) {
    set(instr.condition(), reg);
    return;
  }
  const bool counts = instr.opcode != 0xe3;
  if (instr.opcode == 0xe0) set(kNotEqual, other);
  if (instr.opcode == 0xe1) set(kEqual, other);
  // lea reg, [rcx - 1] or [rcx] ; test reg, reg ; setcc reg
  MemOperand count{};
  count.base = kRcx;
  count.index = kNoReg;
  count.scale = 1;
  count.address32 = instr.address32;
  count.displacement = counts ? -1 : 0;
  lea(reg, count);
  register_pair(0x85, reg, reg, true);
  set(counts ? kNotEqual : kEqual, reg);
  if (instr.opcode <= 0xe1) register_pair(0x23, reg, other, false);
}

}  // namespace vsup::agent::cachesim
