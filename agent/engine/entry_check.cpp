#include "agent/engine/entry_check.h"

#include "agent/engine/link.h"

namespace vsup::agent {

namespace {

using protocol::kRax;
using protocol::kRcx;
using protocol::kRdx;

constexpr uint16_t kBorrowed = 1 << kRax | 1 << kRcx | 1 << kRdx;

// Loads 1, 2, 4 or 8 bytes at [rdx + disp8], zero-extended, into rcx.
void emit_load(Emitter& out, uint8_t disp8, uint32_t width) {
  static constexpr uint8_t kLoad1[] = {0x0f, 0xb6, 0x4a};
  static constexpr uint8_t kLoad2[] = {0x0f, 0xb7, 0x4a};
  static constexpr uint8_t kLoad4[] = {0x8b, 0x4a};
  static constexpr uint8_t kLoad8[] = {0x48, 0x8b, 0x4a};
  switch (width) {
    case 1:
      out.bytes(kLoad1, sizeof kLoad1);
      break;
    case 2:
      out.bytes(kLoad2, sizeof kLoad2);
      break;
    case 4:
      out.bytes(kLoad4, sizeof kLoad4);
      break;
    default:
      out.bytes(kLoad8, sizeof kLoad8);
      break;
  }
  out.byte(disp8);
}

uint64_t load_width(const uint8_t* from, uint32_t width) {
  switch (width) {
    case 1:
      return *from;
    case 2:
      return load<uint16_t>(from);
    case 4:
      return load<uint32_t>(from);
    default:
      return load<uint64_t>(from);
  }
}

// jmp rel32 whose distance is filled in by fix().
struct ForwardJumps {
  uint8_t* sites[2 * kMaxCheckedBytes / 8 + 4];
  uint32_t count = 0;

  void emit(Emitter& out) {
    out.byte(0xe9);
    sites[count++] = out.place_rel32();
  }
  void fix(const uint8_t* target) {
    for (uint32_t i = 0; i < count; ++i) Emitter::land(sites[i], target);
  }
};

void emit_restore(Emitter& out) {
  out.unspill(kRax);
  out.unspill(kRdx);
  out.unspill(kRcx);
}

}  // namespace

void emit_entry_check(Emitter& out, AppPc tag, const uint8_t* expected, uint32_t size, const uint8_t* gate) {
  out.spill(kRcx);  // nine bytes: see forward_fragment
  out.spill(kRdx);
  out.spill(kRax);
  out.cover(0);
  ForwardJumps stale;
  if (gate != nullptr) {
    out.load_literal(kRcx, gate);
    out.jrcxz(5);
    stale.emit(out);
    out.cover(0, {.spilled = kBorrowed});
  }
  uint32_t base = 0;
  for (uint32_t offset = 0; offset < size;) {
    if (offset == 0 || offset - base > 120) {
      base = offset;
      out.load_constant(kRdx, raw(tag) + base);
      out.cover(0, {.spilled = kBorrowed});
    }
    // Aligned loads only: the app may have set the alignment check flag.
    uint32_t width = 8;
    while (width > size - offset || ((raw(tag) + offset) & (width - 1)) != 0) width /= 2;
    emit_load(out, static_cast<uint8_t>(offset - base), width);
    out.load_constant(kRax, 0 - load_width(expected + offset, width));
    out.add_without_flags(kRcx, kRax);
    out.jrcxz(5);
    stale.emit(out);
    out.cover(0, {.spilled = kBorrowed});
    offset += width;
  }
  out.byte(0xe9);
  uint8_t* skip = out.place_rel32();
  stale.fix(out.here());
  emit_restore(out);
  out.cover(0, {.spilled = kBorrowed});
  emit_exit(out, LinkKind::kStale, tag);
  out.cover(0);
  out.land_here(skip);
  emit_restore(out);
  out.cover(0, {.spilled = kBorrowed});
}

}  // namespace vsup::agent
