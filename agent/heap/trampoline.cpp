#include "agent/heap/trampoline.h"

#include "agent/base/memory.h"
#include "agent/x86/decoder.h"

namespace vsup::agent {

namespace {

using namespace protocol;

// How much of a function is searched for jumps into its own start.
constexpr uint64_t kMaxSearch = 16384;

class Writer {
 public:
  explicit Writer(HookSite& site) : site_(site), at_(kTrampolineOffset) {}

  bool room(unsigned bytes) const { return at_ + bytes <= kMaxHookCode; }
  uint64_t here() const { return site_.island + at_; }
  unsigned offset() const { return at_; }

  void bytes(const uint8_t* from, unsigned count) {
    for (unsigned i = 0; i < count; ++i) site_.code[at_++] = from[i];
  }
  void byte(uint8_t value) { site_.code[at_++] = value; }
  // A rel32 that ends here: false when the target is out of reach.
  bool relative(uint64_t target) {
    int64_t distance = static_cast<int64_t>(target - (here() + 4));
    store(&site_.code[at_], static_cast<uint32_t>(distance));
    at_ += 4;
    return distance == static_cast<int32_t>(distance);
  }
  void quad(uint64_t value) {
    store(&site_.code[at_], value);
    at_ += 8;
  }

 private:
  HookSite& site_;
  unsigned at_;
};

enum class Moved { kNo, kYes, kLast };

// Copies one instruction so that it does in the island what it does in its place. kLast: control does not go on behind.
Moved move_instruction(Writer& out, const uint8_t* from, const Instr& instr, uint64_t next_pc) {
  if (!out.room(48)) return Moved::kNo;
  switch (instr.flow) {
    case Flow::kNone:
    case Flow::kSyscall:
    case Flow::kJumpIndirect:
    case Flow::kReturn: {
      Moved moved = instr.flow == Flow::kNone || instr.flow == Flow::kSyscall ? Moved::kYes : Moved::kLast;
      if (!instr.rip_relative()) {
        out.bytes(from, instr.length);
        return moved;
      }
      if (instr.address32 || instr.disp_size != 4) return Moved::kNo;
      uint64_t target = next_pc + static_cast<uint64_t>(instr.mem.displacement);
      unsigned rest = instr.length - instr.disp_offset - 4u;
      out.bytes(from, instr.disp_offset);
      // The displacement counts from the end of the instruction.
      if (!out.relative(target - rest)) return Moved::kNo;
      out.bytes(from + instr.disp_offset + 4, rest);
      return moved;
    }
    case Flow::kJump:
      out.byte(0xe9);
      return out.relative(instr.target) ? Moved::kLast : Moved::kNo;
    case Flow::kCondJump:
      out.byte(0x0f);
      out.byte(static_cast<uint8_t>(0x80 | instr.condition()));
      return out.relative(instr.target) ? Moved::kYes : Moved::kNo;
    case Flow::kCall: {
      // push [rip + 5] ; jmp target ; the app's return address, as its unwinder must find it
      static constexpr uint8_t kPush[] = {0xff, 0x35, 5, 0, 0, 0};
      out.bytes(kPush, sizeof kPush);
      out.byte(0xe9);
      bool reached = out.relative(instr.target);
      out.quad(next_pc);
      return reached ? Moved::kLast : Moved::kNo;
    }
    default:
      return Moved::kNo;
  }
}

bool is_padding(const uint8_t* code, const Instr& instr) {
  if (code[0] == 0xcc) return true;
  bool nop = instr.space == Space::kLegacy && instr.map == OpMap::kOneByte && instr.opcode == 0x90;
  bool long_nop = instr.space == Space::kLegacy && instr.map == OpMap::k0F && instr.opcode == 0x1f;
  return nop || long_nop;
}

// Whether the function's code jumps into the bytes after its first one and before `end`.
bool enters_start(const HookSite& site, const uint8_t* code, uint64_t size, unsigned end) {
  Instr instr;
  for (uint64_t at = 0; at < size; at += instr.length) {
    if (!decode(code + at, size - at, site.address + at, instr)) return false;
    bool direct = instr.flow == Flow::kJump || instr.flow == Flow::kCondJump || instr.flow == Flow::kLoop;
    if (direct && instr.target > site.address && instr.target < site.address + end) return true;
  }
  return false;
}

HookStatus move_start(HookSite& site, const uint8_t* code, uint64_t available) {
  Writer out(site);
  unsigned at = 0;
  bool ended = false;
  site.move_count = 0;
  while (at < kJumpSize) {
    Instr instr;
    if (!decode(code + at, available - at, site.address + at, instr)) return kHookImmovable;
    if (ended) {  // behind the function's end there may be padding to use
      if (!is_padding(code + at, instr)) return kHookTooShort;
      at += instr.length;
      continue;
    }
    site.moves[site.move_count++] = {static_cast<uint8_t>(at), static_cast<uint8_t>(out.offset())};
    Moved moved = move_instruction(out, code + at, instr, site.address + at + instr.length);
    if (moved == Moved::kNo) return kHookImmovable;
    at += instr.length;
    ended = moved == Moved::kLast;
  }
  // A call ends here in any case: its return address is behind what is overwritten.
  if (site.size != 0 && at > site.size && !ended) return kHookTooShort;
  uint64_t search = site.size < kMaxSearch ? site.size : kMaxSearch;
  if (search > available) search = available;
  if (enters_start(site, code, search, at)) return kHookEntered;
  if (!ended) {
    out.byte(0xe9);
    if (!out.relative(site.address + at)) return kHookImmovable;
  }
  site.patch_size = static_cast<uint8_t>(at);
  site.code_size = static_cast<uint8_t>(out.offset());
  return kHookMade;
}

// mov r11, imm64 ; jmp [r11 + 8]
void write_door(HookSite& site) {
  site.code[0] = 0x49;
  site.code[1] = 0xbb;
  store(&site.code[2], reinterpret_cast<uint64_t>(&site));
  site.code[10] = 0x41;
  site.code[11] = 0xff;
  site.code[12] = 0x63;
  site.code[13] = offsetof(HookSite, stub);
  site.code[14] = site.code[15] = 0xcc;
}

}  // namespace

void make_trampoline(HookSite& site, const uint8_t* code, uint64_t available) {
  if (available > site.size && site.size > kIslandSlot) available = site.size;
  site.status = move_start(site, code, available);
  if (site.status != kHookMade) return;
  site.trampoline = site.island + kTrampolineOffset;
  write_door(site);
  site.patch[0] = 0xe9;
  store(&site.patch[1], static_cast<uint32_t>(site.island - (site.address + kJumpSize)));
  for (unsigned i = kJumpSize; i < site.patch_size; ++i) site.patch[i] = 0x90;
}

void make_pointer_hook(HookSite& site, uint64_t pointer) {
  site.trampoline = pointer;
  write_door(site);
  site.code_size = kTrampolineOffset;
  site.move_count = 0;
  store(&site.patch[0], site.island);
  site.patch_size = sizeof site.island;
  site.status = kHookMade;
}

}  // namespace vsup::agent
