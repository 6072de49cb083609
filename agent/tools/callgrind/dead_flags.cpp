#include "agent/tools/callgrind/dead_flags.h"

#include "agent/base/entry_points.h"
#include "agent/tools/callgrind/plt.h"
#include "agent/x86/decoder.h"

namespace vsup::agent::callgrind {

namespace {

// Instructions looked at from each place where the count might go, and beyond the block.
constexpr uint32_t kPlacesTried = 8;
constexpr unsigned kLookAhead = 16;
constexpr size_t kReadAtOnce = 64;

// Takes out of `open` what the instruction overwrites; false when it reads some of them.
bool pass(const Instr& instr, uint32_t& open) {
  const FlagUse use = flag_use(instr);
  if ((use.read & open) != 0) return false;
  open &= ~use.written;
  return true;
}

// Whether code at `pc` stays as it is.
bool stays(const TrustedCode& trusted, uint64_t pc) {
  return pc >= trusted.start && pc < trusted.end && trusted.end - pc >= kReadAtOnce;
}

bool dead_from(const TrustedCode& trusted, uint64_t pc, uint32_t open, unsigned left);

// Whether `open` flags, which are read nowhere before, are dead after an instruction that ends a block.
bool dead_behind(const TrustedCode& trusted, const Instr& last, uint64_t next, uint32_t open, unsigned left) {
  switch (last.flow) {
    case Flow::kNone:
      return dead_from(trusted, next, open, left);
    case Flow::kJump:
    case Flow::kCall:
      return dead_from(trusted, last.target, open, left);
    case Flow::kCondJump:
      return dead_from(trusted, next, open, left / 2) && dead_from(trusted, last.target, open, left / 2);
    default:
      return false;
  }
}

bool dead_from(const TrustedCode& trusted, uint64_t pc, uint32_t open, unsigned left) {
  if (!stays(trusted, pc)) return false;
  if (forgets_flags(pc)) return true;
  uint8_t code[kReadAtOnce];
  if (!vsup_safe_copy(code, reinterpret_cast<const void*>(pc), sizeof code)) return false;
  for (uint64_t at = 0; left != 0 && sizeof code - at >= 15; --left) {
    Instr instr;
    if (!decode(code + at, 15, pc + at, instr) || !pass(instr, open)) return false;
    if (open == 0) return true;
    at += instr.length;
    if (instr.flow != Flow::kNone) return dead_behind(trusted, instr, pc + at, open, left - 1);
  }
  return false;
}

// As pass(); a conditional jump in the block's middle is passed where it leads, too.
bool pass_within(const Block& block, uint32_t index, uint32_t& open) {
  const Instr& instr = block.instructions[index];
  return pass(instr, open) && (instr.flow != Flow::kCondJump || index + 1 == block.count || open == 0 ||
                               dead_from(block.trusted, instr.target, open, kLookAhead / 2));
}

}  // namespace

uint32_t place_without_flags(const Block& block) {
  uint32_t open_at_end = 0;
  for (uint32_t start = 0; start < block.count && start < kPlacesTried; ++start) {
    uint32_t open = kFlagsArithmetic, i = start;
    while (i < block.count && open != 0 && pass_within(block, i, open)) ++i;
    if (open == 0) return start;
    if (start == 0 && i == block.count) open_at_end = open;
    // The block is counted before the first jump that may leave it.
    if (block.instructions[start].flow != Flow::kNone) break;
  }
  if (open_at_end == 0) return kNowhere;
  const Instr& last = block.instructions[block.count - 1];
  if (last.flow == Flow::kJumpIndirect)
    return stays(block.trusted, raw(block.tag)) && forgets_flags(raw(block.tag)) ? 0 : kNowhere;
  return dead_behind(block.trusted, last, raw(block.tag) + block.size, open_at_end, kLookAhead) ? 0 : kNowhere;
}

bool flags_dead_at(const TrustedCode& trusted, uint64_t pc) {
  return dead_from(trusted, pc, kFlagsArithmetic, kLookAhead);
}

}  // namespace vsup::agent::callgrind
