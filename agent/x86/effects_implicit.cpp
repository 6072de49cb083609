// Purpose: implicit effects: the register sets of implicit_effects.def, and the memory that the stack instructions,
// the string instructions and a few others access.
// Assumes: memory of explicit operands is in `out` already. Promises: see effects_implicit.h.
//
// Stack accesses are given relative to rsp as it is before the instruction.
#include "agent/x86/effects_implicit.h"

namespace vsup::agent {
namespace {

using forms::Implicit;

constexpr uint8_t kRax = 0, kRcx = 1, kRbx = 3, kRsp = 4, kRbp = 5, kRsi = 6, kRdi = 7;

struct RegisterSets {
  uint16_t gpr_read, gpr_written;
  uint32_t vector_read, vector_written;
  uint8_t mask_read, mask_written;
};

constexpr RegisterSets kSets[] = {
#define VSUP_IMPLICIT(name, gpr_read, gpr_written, vector_read, vector_written, mask_read, mask_written) \
  {gpr_read, gpr_written, vector_read, vector_written, mask_read, mask_written},
#include "agent/x86/implicit_effects.def"
#undef VSUP_IMPLICIT
};

enum class Direction { kRead, kWrite };

// Adds an access at [base + displacement].
void add(Effects& out, Direction direction, unsigned size, uint8_t base, int64_t displacement = 0) {
  Access& access = out.access[out.access_count++];
  access.address = {};
  access.address.present = true;
  access.address.base = base;
  access.address.index = kNoReg;
  access.address.scale = 1;
  access.address.displacement = displacement;
  access.size = static_cast<uint16_t>(size);
  access.read = direction == Direction::kRead;
  access.write = direction == Direction::kWrite;
}

// As above, with the segment override and the address size of the instruction.
void add_overridable(const Instr& instr, Effects& out, Direction direction, unsigned size, uint8_t base) {
  add(out, direction, size, base);
  MemOperand& address = out.access[out.access_count - 1].address;
  address.address32 = instr.address32;
  address.segment = instr.segment;
}

// The destination of a string instruction is in es whatever the override.
void add_string_destination(const Instr& instr, Effects& out, Direction direction, unsigned size) {
  add_overridable(instr, out, direction, size, kRdi);
  out.access[out.access_count - 1].address.segment = Segment::kDefault;
}

// rep counts rcx and, when that is 0 from the start, leaves all as it was.
void add_repetition(const Instr& instr, Effects& out) {
  if (!instr.rep && !instr.repne) return;
  out.gpr_read |= static_cast<uint16_t>((1U << kRcx) | out.gpr_written);
  out.gpr_written |= 1U << kRcx;
  const bool compares = out.flags_written != 0;
  if (compares) out.flags_read |= out.flags_written;
}

void add_string(const forms::Form& form, const Instr& instr, unsigned size, Effects& out) {
  const Implicit kind = form.implicit;
  const bool reads_source =
      kind == Implicit::kMovs || kind == Implicit::kCmps || kind == Implicit::kLods || kind == Implicit::kOuts;
  const bool reads_destination = kind == Implicit::kCmps || kind == Implicit::kScas;
  if (reads_source) add_overridable(instr, out, Direction::kRead, size, kRsi);
  if (reads_destination) add_string_destination(instr, out, Direction::kRead, size);
  if (kind == Implicit::kMovs || kind == Implicit::kStos || kind == Implicit::kIns) {
    add_string_destination(instr, out, Direction::kWrite, size);
  }
  add_repetition(instr, out);
}

// enter copies `level` - 1 frame pointers of the enclosing frames; the copies are given as one access.
void add_enter(const Instr& instr, unsigned size, Effects& out) {
  const int64_t step = static_cast<int64_t>(size);
  const int64_t level = (instr.imm >> 16) & 31;
  const int64_t written = level == 0 ? 1 : level + 1;
  add(out, Direction::kWrite, static_cast<unsigned>(written) * size, kRsp, -step * written);
  if (level > 1) {
    add(out, Direction::kRead, static_cast<unsigned>(level - 1) * size, kRbp, -step * (level - 1));
  }
}

void add_memory(const forms::Form& form, const Instr& instr, Effects& out) {
  const unsigned size = forms::resolve_size(form.size, instr);
  const int64_t step = static_cast<int64_t>(size);
  switch (form.implicit) {
    case Implicit::kPush:
    case Implicit::kCall:
      return add(out, Direction::kWrite, size, kRsp, -step);
    case Implicit::kPop:
    case Implicit::kReturn:
      return add(out, Direction::kRead, size, kRsp);
    case Implicit::kFarCall:
      return add(out, Direction::kWrite, 2 * (size - 2), kRsp, -2 * (step - 2));
    case Implicit::kFarReturn:
      return add(out, Direction::kRead, 2 * size, kRsp);
    case Implicit::kInterruptReturn:
      return add(out, Direction::kRead, 5 * size, kRsp);
    case Implicit::kEnter:
      return add_enter(instr, size, out);
    case Implicit::kLeave:
      return add(out, Direction::kRead, size, kRbp);
    case Implicit::kMovs:
    case Implicit::kCmps:
    case Implicit::kStos:
    case Implicit::kLods:
    case Implicit::kScas:
    case Implicit::kIns:
    case Implicit::kOuts:
      return add_string(form, instr, size, out);
    case Implicit::kXlat: {
      add_overridable(instr, out, Direction::kRead, size, kRbx);
      MemOperand& table = out.access[out.access_count - 1].address;
      table.index = kRax;  // al alone
      return;
    }
    case Implicit::kMaskMove:
      return add_overridable(instr, out, Direction::kWrite, size, kRdi);
    case Implicit::kMovdir64: {
      const uint8_t destination = static_cast<uint8_t>(((instr.modrm >> 3) & 7) | ((instr.rex & 4) != 0 ? 8 : 0));
      return add_overridable(instr, out, Direction::kWrite, size, destination);
    }
    case Implicit::kMonitor:
      add_overridable(instr, out, Direction::kRead, 0, kRax);
      out.access[out.access_count - 1].read = false;
      out.access[out.access_count - 1].address_only = true;
      return;
    case Implicit::kClzero:
      return add_overridable(instr, out, Direction::kWrite, size, kRax);
    default:
      return;
  }
}

}  // namespace

void add_implicit_effects(const forms::Form& form, const Instr& instr, Effects& out) {
  if (form.implicit == Implicit::kNone) return;
  const RegisterSets& sets = kSets[static_cast<unsigned>(form.implicit)];
  out.gpr_read |= sets.gpr_read;
  out.gpr_written |= sets.gpr_written;
  out.vector_read |= sets.vector_read;
  out.vector_written |= sets.vector_written;
  out.mask_read |= sets.mask_read;
  out.mask_written |= sets.mask_written;
  add_memory(form, instr, out);
}

}  // namespace vsup::agent
