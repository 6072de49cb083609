// Purpose: what both decoders say of an instruction, in one comparable form.
// Assumes: 64-bit mode. Promises: compare() tells which parts differ.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "agent/x86/decoder.h"

namespace vsup::test {

enum Part : uint32_t {
  kValidity = 0x001,
  kLength = 0x002,
  kFlow = 0x004,
  kTarget = 0x008,
  kAccesses = 0x010,
  kGprRead = 0x020,
  kGprWritten = 0x040,
  kVectorRead = 0x080,
  kVectorWritten = 0x100,
  kMaskRead = 0x200,
  kMaskWritten = 0x400,
  kFlagsRead = 0x800,
  kFlagsWritten = 0x1000,
  kX87 = 0x2000,
  kLayout = 0x4000,
};

struct AccessKey {
  uint8_t base = agent::kNoReg, index = agent::kNoReg, scale = 1;
  bool vsib = false, address32 = false;
  agent::Segment segment = agent::Segment::kDefault;
  int64_t displacement = 0;
  unsigned size = 0;
  bool read = false, write = false, address_only = false;

  auto key() const {
    return std::tie(base, index, scale, vsib, address32, segment, displacement, size, read, write, address_only);
  }
  bool operator<(const AccessKey& other) const { return key() < other.key(); }
  bool operator==(const AccessKey& other) const { return key() == other.key(); }
};

// Where ModRM, displacement and immediates are; sizes in bytes, offsets 0 where the size is.
struct Layout {
  unsigned modrm_offset = 0, disp_offset = 0, disp_size = 0, imm_offset = 0, imm_size = 0;

  bool operator==(const Layout&) const = default;
};

struct Observation {
  bool valid = false;
  unsigned length = 0;
  agent::Flow flow = agent::Flow::kNone;
  uint64_t target = 0;
  std::vector<AccessKey> accesses;
  uint32_t gpr_read = 0, gpr_written = 0, vector_read = 0, vector_written = 0, mask_read = 0, mask_written = 0;
  uint32_t flags_read = 0, flags_written = 0;
  bool x87 = false;
  Layout layout;
};

inline uint32_t compare(Observation& a, Observation& b) {
  if (a.valid != b.valid) return kValidity;
  if (!a.valid) return 0;
  uint32_t parts = 0;
  const auto check = [&parts](uint32_t part, const auto& x, const auto& y) {
    if (!(x == y)) parts |= part;
  };
  std::sort(a.accesses.begin(), a.accesses.end());
  std::sort(b.accesses.begin(), b.accesses.end());
  check(kLength, a.length, b.length);
  check(kFlow, a.flow, b.flow);
  check(kTarget, a.target, b.target);
  check(kAccesses, a.accesses, b.accesses);
  check(kGprRead, a.gpr_read, b.gpr_read);
  check(kGprWritten, a.gpr_written, b.gpr_written);
  check(kVectorRead, a.vector_read, b.vector_read);
  check(kVectorWritten, a.vector_written, b.vector_written);
  check(kMaskRead, a.mask_read, b.mask_read);
  check(kMaskWritten, a.mask_written, b.mask_written);
  check(kFlagsRead, a.flags_read, b.flags_read);
  check(kFlagsWritten, a.flags_written, b.flags_written);
  check(kX87, a.x87, b.x87);
  check(kLayout, a.layout, b.layout);
  return parts;
}

inline std::string describe(const Observation& seen) {
  if (!seen.valid) return "not an instruction";
  char text[256];
  std::snprintf(text, sizeof text, "length %u flow %u target %llx gpr %x/%x vector %x/%x mask %x/%x flags %x/%x x87 %d",
                seen.length, static_cast<unsigned>(seen.flow), static_cast<unsigned long long>(seen.target),
                seen.gpr_read, seen.gpr_written, seen.vector_read, seen.vector_written, seen.mask_read,
                seen.mask_written, seen.flags_read, seen.flags_written, seen.x87);
  std::string out = text;
  std::snprintf(text, sizeof text, " modrm @%u disp %u@%u imm %u@%u", seen.layout.modrm_offset, seen.layout.disp_size,
                seen.layout.disp_offset, seen.layout.imm_size, seen.layout.imm_offset);
  out += text;
  for (const AccessKey& access : seen.accesses) {
    std::snprintf(text, sizeof text, " %s%s%s[%x+%x*%u%+lld]%s seg %u size %u", access.read ? "r" : "",
                  access.write ? "w" : "", access.address_only ? "a" : "", access.base, access.index, access.scale,
                  static_cast<long long>(access.displacement), access.address32 ? "32" : "",
                  static_cast<unsigned>(access.segment), access.size);
    out += text;
  }
  return out;
}

// What the decoder under test says.
inline Observation observe(const uint8_t* bytes, size_t size, uint64_t pc) {
  Observation seen;
  agent::Instr instr;
  seen.valid = agent::decode(bytes, size, pc, instr);
  if (!seen.valid) return seen;
  agent::Effects effects;
  agent::effects(instr, effects);
  seen.length = instr.length;
  seen.flow = instr.flow;
  seen.target = instr.target;
  for (unsigned i = 0; i < effects.access_count; i++) {
    const agent::Access& access = effects.access[i];
    const agent::MemOperand& address = access.address;
    seen.accesses.push_back({address.base, address.index, address.scale, address.vsib, address.address32,
                             address.segment, address.displacement, access.size, access.read, access.write,
                             access.address_only});
  }
  seen.gpr_read = effects.gpr_read;
  seen.gpr_written = effects.gpr_written;
  seen.vector_read = effects.vector_read;
  seen.vector_written = effects.vector_written;
  seen.mask_read = effects.mask_read;
  seen.mask_written = effects.mask_written;
  seen.flags_read = effects.flags_read;
  seen.flags_written = effects.flags_written;
  seen.x87 = effects.x87;
  seen.layout = {instr.modrm_offset, instr.disp_size == 0 ? 0U : instr.disp_offset, instr.disp_size,
                 instr.imm_size == 0 ? 0U : instr.imm_offset, instr.imm_size};
  return seen;
}

}  // namespace vsup::test
