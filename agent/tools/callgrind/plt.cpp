#include "agent/tools/callgrind/plt.h"

#include "agent/base/memory.h"
#include "agent/base/safe_load.h"
#include "agent/tools/callgrind/code_bytes.h"

namespace vsup::agent::callgrind {

namespace {

// The bytes at an address, read one after the other.
class Code {
 public:
  explicit Code(uint64_t pc) : pc_(pc) {
    if (pc % kPage > kPage - kSize) {
      ok_ = read_code(pc, bytes_, kSize) != 0;
      return;
    }
    uint64_t first = 0, second = 0;
    ok_ = safe_load(pc, first) && safe_load(pc + sizeof first, second);
    store(bytes_, first);
    store(bytes_ + sizeof first, second);
  }

  // Passes over `code` if it comes next.
  template <size_t N>
  bool take(const uint8_t (&code)[N]) {
    if (!ok_ || at_ + N > kSize) return false;
    for (size_t i = 0; i < N; ++i)
      if (bytes_[at_ + i] != code[i]) return false;
    at_ += N;
    return true;
  }
  // The displacement that comes next, and where it leads.
  uint64_t take_relative() {
    if (!ok_ || at_ + 4 > kSize) return 0;
    at_ += 4;
    return pc_ + at_ + static_cast<uint64_t>(int64_t{load<int32_t>(bytes_ + at_ - 4)});
  }

 private:
  static constexpr size_t kSize = 16;
  static constexpr uint64_t kPage = 4096;
  uint64_t pc_;
  uint8_t bytes_[kSize] = {};
  size_t at_ = 0;
  bool ok_;
};

constexpr uint8_t kEndbr[] = {0xf3, 0x0f, 0x1e, 0xfa}, kBnd[] = {0xf2};
constexpr uint8_t kJumpThrough[] = {0xff, 0x25}, kPushFrom[] = {0xff, 0x35}, kPush[] = {0x68}, kJump[] = {0xe9};
constexpr uint8_t kNop[] = {0x90}, kNop2[] = {0x66, 0x90}, kNop5[] = {0x0f, 0x1f, 0x44, 0, 0},
                  kNop6[] = {0x66, 0x0f, 0x1f, 0x44, 0, 0};

// Passes over [bnd] jmp *slot(%rip): the slot's address; 0: something else comes next.
uint64_t take_jump_through(Code& code) {
  code.take(kBnd);
  return code.take(kJumpThrough) ? code.take_relative() : 0;
}

// Passes over an entry.
PltEntry take_entry(Code& code) {
  const bool landing = code.take(kEndbr);
  const uint64_t slot = take_jump_through(code);
  return slot != 0 ? PltEntry{slot, landing ? 2u : 1u} : PltEntry{};
}

}  // namespace

PltEntry plt_entry(uint64_t pc) {
  Code code(pc);
  return take_entry(code);
}

bool forgets_flags(uint64_t pc) {
  constexpr uint64_t kAlignment = 8;
  if (pc % kAlignment != 0) return false;
  Code code(pc);
  if (take_entry(code).slot == 0) return false;
  if (!code.take(kPush)) return code.take(kNop) || code.take(kNop2) || code.take(kNop5) || code.take(kNop6);
  code.take_relative();
  return code.take(kJump);
}

PltEntry plt_head(uint64_t pc) {
  Code code(pc);
  if (!code.take(kPushFrom)) return {};
  code.take_relative();
  const uint64_t slot = take_jump_through(code);
  return slot != 0 ? PltEntry{slot, 2} : PltEntry{};
}

UnboundEntry unbound_entry(uint64_t pc) {
  Code code(pc);
  code.take(kEndbr);
  if (!code.take(kPush)) return {};
  code.take_relative();
  code.take(kBnd);
  if (!code.take(kJump)) return {};
  UnboundEntry entry;
  uint64_t head = code.take_relative();
  PltEntry first = plt_head(head);
  if (first.slot != 0 && safe_load(first.slot, entry.resolver)) entry.head = head;
  return entry;
}

}  // namespace vsup::agent::callgrind
