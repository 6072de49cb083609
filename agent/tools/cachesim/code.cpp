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
constexpr uint32_t kLineOffset = kStateOffset + offsetof(ThreadState, line);
constexpr uint32_t kDescriptorOffset = kStateOffset + offsetof(ThreadState, descriptor);
constexpr uint8_t kJumpAbove = 0x87, kJumpEqual = 0x84;

constexpr uint8_t kMove = 0x8b, kMoveTo = 0x89, kAdd = 0x03, kSubtract = 0x2b;

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

// `fetch`: one that `number` is packed from.
void Code::call_slow_path(Emitter& to, uint32_t number, const Descriptor* fetch) {
  if (keeps_clock_) to.gs_absolute(kMoveTo, clock_, kClockOffset);
  if (fetch != nullptr) {
    to.load_constant(clock_, fetch->address);
    to.gs_absolute(kMoveTo, clock_, kArgumentOffset);
    store_immediate(to, kLineOffset, fetch->first_line);
  }
  store_immediate(to, kDescriptorOffset, number);
  to.step_call(&vsup_simulate);
  if (keeps_clock_) to.gs_absolute(kMove, clock_, kClockOffset);
}

// In the cold area, and back here.
void Code::return_from_slow_path(Emitter& cold, uint32_t number, const Descriptor* fetch) {
  call_slow_path(cold, number, fetch);
  cold.jump(out_.here());
  code_cache.set_cold(cold.here());
}

void Code::fetch(const Descriptor& place, uint32_t number, bool checks_first) {
  if (configuration.has(kLineUse)) {
    call_slow_path(out_, number);
    return;
  }
  const bool first = checks_first || place.second_line == 0, second = place.second_line != 0;
  uint8_t* misses[2];
  unsigned count = 0;
  const auto check = [&](uint32_t line) {
    out_.gs_absolute(0x83, 7, kI1UsesOffset + 8 * line);  // cmp qword gs:[use], 0
    out_.byte(0);
    out_.bytes({0x0f, kJumpEqual});
    misses[count++] = out_.place_rel32();
  };
  const auto use = [&](uint32_t line) {
    tick();
    out_.gs_absolute(kMoveTo, clock_, kI1UsesOffset + 8 * line);
  };
  if (first) check(place.first_line);
  if (second) check(place.second_line);
  if (first) use(place.first_line);
  if (second) use(place.second_line);
  Emitter cold(code_cache.cold(), nullptr);
  for (unsigned i = 0; i < count; ++i) Emitter::land(misses[i], cold.here());
  return_from_slow_path(cold, number, PackedAccess{number}.is_fetch() ? &place : nullptr);
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

// The clock's next time.
void Code::tick() {
  out_.byte(static_cast<uint8_t>(0x48 | (clock_ >= 8 ? 1 : 0)));  // inc
  out_.byte(0xff);
  out_.byte(static_cast<uint8_t>(0xc0 | (clock_ & 7)));
}

void Code::load_clock(GprIndex reg) {
  clock_ = reg;
  keeps_clock_ = true;
  out_.gs_absolute(kMove, reg, kClockOffset);
}

void Code::store_clock() {
  out_.gs_absolute(kMoveTo, clock_, kClockOffset);
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
  constexpr uint32_t kLine = kD1WaysOffset + offsetof(DataWay, line), kUse = kD1WaysOffset + offsetof(DataWay, use);
  // t = the way: hints are 4 bytes each
  register_pair(kMove, t, s, false);
  shift_right(t, static_cast<uint8_t>(d1.line_bits - 2));
  and_constant(t, (kHints - 1) << 2);
  gs_indexed(kMove, t, t, kD1HintsOffset, false);
  gs_indexed(kSubtract, s, t, kLine);
  const int64_t last = (int64_t{1} << d1.line_bits) - access.size;
  compare_last(s, last);
  out_.bytes({0x0f, kJumpAbove});
  uint8_t* const elsewhere = out_.place_rel32();
  tick();
  gs_indexed(kMoveTo, clock_, t, kUse);
  Emitter cold(code_cache.cold(), nullptr);
  Emitter::land(elsewhere, cold.here());
  Code(cold).gs_indexed(kAdd, s, t, kLine);  // the address again
  cold.gs_absolute(kMoveTo, s, kArgumentOffset);
  return_from_slow_path(cold, number);
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
