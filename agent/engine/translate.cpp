#include "agent/engine/translate.h"

#include "agent/base/check.h"
#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/code_regions.h"
#include "agent/engine/entry_check.h"
#include "agent/engine/link.h"
#include "agent/engine/rules.h"
#include "agent/engine/verify.h"

namespace vsup::agent {

namespace {

// Blocks that one call may translate in a row because each falls through to the next.
constexpr unsigned kMaxRow = 8;

// Most app bytes of one block: FragmentInfo::app_size and the headroom of the cache.
constexpr uint32_t kMaxBlockBytes = 2048;

enum class BlockEnd { kExit, kFallsThrough };

struct BlockResult {
  uint32_t index;
  bool continues;  // it falls through, without a jump, to where the next block must be emitted
  AppPc next;
};

// Execute-only page of the kernel at the end of the address space; the kernel emulates calls into it.
bool in_vsyscall_page(AppPc pc) { return raw(pc) >> 12 == 0xffff'ffff'ff600; }

bool is_native_only(const Instr& instr) {
  if (instr.flow == Flow::kNativeOnly) return true;
  if (instr.segment == Segment::kGs && instr.mem.present) return true;
  // rdgsbase, wrgsbase: f3 0f ae /1, /3 with a register operand
  if (instr.space == Space::kLegacy && instr.map == OpMap::k0F && instr.opcode == 0xae && instr.rep &&
      instr.modrm >= 0xc0 && (instr.modrm & 0x08) != 0)
    return true;
  // String operations and others that take GS without a ModRM operand.
  return instr.segment == Segment::kGs && !instr.has_modrm;
}

// The prefix that branch tables lead to: rcx is the app target, the app's rcx and rdx are in their spill slots.
//   mov rdx, -tag ; lea rcx, [rcx + rdx] ; jrcxz hit ; not rdx ; lea rcx, [rcx + rdx + 1] ; jmp next ; hit: restore
void emit_prefix(Emitter& out, uint64_t tag, const uint8_t* next) {
  out.load_constant(protocol::kRdx, 0 - tag);
  out.add_without_flags(protocol::kRcx, protocol::kRdx);
  out.jrcxz(13);
  out.invert(protocol::kRdx);
  out.subtract_prepared(protocol::kRcx, protocol::kRdx);
  out.jump(next);
  out.unspill(protocol::kRdx);
  out.unspill(protocol::kRcx);
}

// Takes the head of the chain of prefixes that share `tag`'s table entry, and makes `prefix` the new head.
const uint8_t* push_prefix(uint64_t tag, const uint8_t* prefix) {
  uint32_t& head = CodeCache::thunk_heads()[tag & 0xffff];
  const uint8_t* next = head == 0 ? reinterpret_cast<const uint8_t*>(&vsup_indirect_miss)
                                  : reinterpret_cast<const uint8_t*>(protocol::kCacheBase + head);
  head = static_cast<uint32_t>(reinterpret_cast<uint64_t>(prefix) - protocol::kCacheBase);
  count(protocol::kCounter_thunks);
  return next;
}

class BlockTranslator {
 public:
  BlockTranslator(AppPc tag, CodeRegion& region)
      : tag_(tag), region_(region), out_(code_cache.hot(), CodeCache::state_maps() + code_cache.map_used()) {}

  BlockResult run(bool with_prefix, bool may_continue);

 private:
  // Bytes of the app instruction at `offset`; those of a checked region come from one snapshot, since another thread
  // may be writing there.
  const uint8_t* source(uint32_t offset) const {
    return region_.checked ? snapshot_ + offset : reinterpret_cast<const uint8_t*>(raw(tag_) + offset);
  }
  bool decode_at(uint32_t offset, Instr& instr) const {
    uint64_t end = region_.checked && region_.end - raw(tag_) > kMaxCheckedBytes ? raw(tag_) + kMaxCheckedBytes : region_.end;
    uint64_t pc = raw(tag_) + offset;
    return pc < end && decode(source(offset), end - pc < 15 ? end - pc : 15, pc, instr);
  }
  void take_snapshot();
  // How many bytes the block of a checked region will have; 0 when its first instruction cannot be decoded.
  uint32_t measure() const;
  void translate_body();
  bool translate_one(const Source& source);

  AppPc tag_;
  CodeRegion& region_;
  Emitter out_;
  uint32_t size_ = 0;  // app bytes so far
  uint32_t instructions_ = 0;
  BlockEnd end_ = BlockEnd::kExit;
  uint8_t snapshot_[kMaxCheckedBytes];
};

bool ends_block(const Instr& instr) { return instr.flow != Flow::kNone || is_native_only(instr); }

void BlockTranslator::take_snapshot() {
  uint64_t left = region_.end - raw(tag_);
  memcpy(snapshot_, reinterpret_cast<const void*>(raw(tag_)), left < kMaxCheckedBytes ? left : kMaxCheckedBytes);
}

uint32_t BlockTranslator::measure() const {
  uint32_t size = 0;
  for (uint32_t i = 0; i < vsup_settings.max_block_instructions; ++i) {
    Instr instr;
    if (!decode_at(size, instr)) break;
    size += instr.length;
    if (ends_block(instr)) break;
  }
  return size;
}

// Emits one instruction; returns whether the block goes on after it.
bool BlockTranslator::translate_one(const Source& source) {
  const Instr& instr = source.instr;
  if (is_native_only(instr)) {
    emit_exit(out_, LinkKind::kNative, source.pc);
    out_.cover(source.offset);
    return false;
  }
  switch (instr.flow) {
    case Flow::kNone:
      if (instr.rip_relative()) {
        translate_rip_relative(out_, source);
      } else {
        translate_plain(out_, source);
      }
      return true;
    case Flow::kJump: translate_jump(out_, source); return false;
    case Flow::kCondJump:
      translate_cond_jump(out_, source);
      end_ = BlockEnd::kFallsThrough;
      return false;
    case Flow::kLoop: translate_loop(out_, source); return false;
    case Flow::kCall: translate_call(out_, source); return false;
    case Flow::kJumpIndirect:
    case Flow::kCallIndirect: translate_indirect(out_, source); return false;
    case Flow::kReturn: translate_return(out_, source); return false;
    case Flow::kSyscall:
      emit_exit(out_, LinkKind::kSyscall, source.pc);
      out_.cover(source.offset);
      return false;
    case Flow::kTrap:
      translate_plain(out_, source);
      end_ = BlockEnd::kFallsThrough;
      return false;
    case Flow::kNativeOnly: break;
  }
  VS_CHECK(false, raw(source.pc));
  return false;
}

void BlockTranslator::translate_body() {
  for (;;) {
    Instr instr;
    if (instructions_ == vsup_settings.max_block_instructions || size_ >= kMaxBlockBytes || !decode_at(size_, instr)) {
      end_ = BlockEnd::kFallsThrough;
      return;
    }
    bool goes_on = translate_one({source(size_), advance(tag_, size_), size_, instr});
    size_ += instr.length;
    ++instructions_;
    if (!goes_on) return;
  }
}

BlockResult BlockTranslator::run(bool with_prefix, bool may_continue) {
  const uint8_t* prefix = out_.here();
  if (with_prefix) emit_prefix(out_, raw(tag_), push_prefix(raw(tag_), prefix));
  uint32_t checked_size = 0;
  if (region_.checked) {
    take_snapshot();
    checked_size = measure();
    while (checked_size > 0 && (reinterpret_cast<uint64_t>(out_.here()) & 7) != 0) out_.byte(0x90);
  }
  out_.skip_coverage();
  uint8_t* entry = out_.here();
  if (checked_size > 0) emit_entry_check(out_, tag_, snapshot_, checked_size);
  Instr first;
  if (decode_at(0, first)) {
    translate_body();
  } else {
    emit_exit(out_, LinkKind::kNative, tag_);
    out_.cover(0);
  }
  AppPc next = advance(tag_, size_);
  bool falls_through = end_ == BlockEnd::kFallsThrough;
  bool continues = falls_through && may_continue && vsup_settings.link != 0 && !region_.checked &&
                   raw(next) < region_.end && find_fragment(next) == kNoFragment && !code_cache.full();
  if (falls_through && !continues) {
    emit_exit(out_, LinkKind::kDirect, next);
    out_.cover(size_);
  }
  uint32_t index = add_fragment({
      .app_pc = raw(tag_),
      .cache_start = static_cast<uint32_t>(reinterpret_cast<uint64_t>(entry) - protocol::kCacheBase),
      .cache_size = static_cast<uint32_t>(out_.here() - entry),
      .map_offset = static_cast<uint32_t>(code_cache.map_used()),
      .map_size = static_cast<uint16_t>(out_.map_size()),
      .app_size = static_cast<uint16_t>(size_),
      .hash_next = 0,
      .flags = checked_size > 0 ? protocol::kFragmentChecked : 0u,
  });
  code_cache.set_map_used(code_cache.map_used() + out_.map_size());
  code_cache.set_hot(out_.here());
  code_cache.count_translation();
  if (with_prefix)
    CodeCache::thunk_of()[index] = static_cast<uint32_t>(reinterpret_cast<uint64_t>(prefix) - protocol::kCacheBase);
  region_.has_code = true;
  if (vsup_settings.verify != 0) verify_fragment(index);
  count(protocol::kCounter_fragments);
  count(protocol::kCounter_app_instructions, instructions_);
  count(protocol::kCounter_app_bytes, size_);
  return {index, continues, next};
}

}  // namespace

uint32_t translate(AppPc tag, Arrival arrival) {
  const uint64_t& translated = shared_block()->counters[protocol::kCounter_fragments];
  if (translated >= vsup_settings.translate_limit || in_vsyscall_page(tag)) return kNoFragment;
  CodeRegion& region = code_region_at(tag);
  if (!region.executable) return kNoFragment;
  BlockResult block = BlockTranslator(tag, region).run(arrival == Arrival::kIndirect, true);
  uint32_t index = block.index;
  for (unsigned row = 2; block.continues; ++row) block = BlockTranslator(block.next, region).run(false, row < kMaxRow);
  return index;
}

const uint8_t* ensure_thunk(uint32_t index) {
  uint32_t& thunk = CodeCache::thunk_of()[index];
  uint64_t tag = CodeCache::fragments()[index].app_pc;
  if (thunk == 0) {
    uint8_t* prefix = code_cache.cold();
    Emitter out(prefix, nullptr);
    emit_prefix(out, tag, push_prefix(tag, prefix));
    out.jump(fragment_entry(index));
    code_cache.set_cold(out.here());
    thunk = static_cast<uint32_t>(reinterpret_cast<uint64_t>(prefix) - protocol::kCacheBase);
  }
  return reinterpret_cast<const uint8_t*>(protocol::kCacheBase + CodeCache::thunk_heads()[tag & 0xffff]);
}

}  // namespace vsup::agent
