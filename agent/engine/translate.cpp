#include "agent/engine/translate.h"

#include "agent/base/check.h"
#include "agent/base/context.h"
#include "agent/base/entry_points.h"
#include "agent/engine/block.h"
#include "agent/engine/client_request.h"
#include "agent/engine/code_regions.h"
#include "agent/engine/dispatch.h"
#include "agent/engine/entry_check.h"
#include "agent/engine/instrumenter.h"
#include "agent/engine/link.h"
#include "agent/engine/rules.h"
#include "agent/engine/side_exits.h"
#include "agent/engine/x87_pointer.h"

namespace vsup::agent {

namespace {

// Blocks that one call may translate in a row because each goes on at the next.
constexpr unsigned kMaxRow = 8;

// Most app bytes of one block: FragmentInfo::app_size and the headroom of the cache.
constexpr uint32_t kMaxBlockBytes = 2048;

enum class BlockEnd {
  kExit,
  kFallsThrough,
  kGoesOn,  // where the next block must be emitted: at next_
};

struct BlockResult {
  uint32_t index;
  bool continues;  // it goes on, without a jump, where the next block must be emitted
  AppPc next;
  const uint8_t* prefix_to_next;  // of its prefix's jump, null: it has none
};

// Execute-only page of the kernel at the end of the address space; the kernel emulates calls into it.
bool in_vsyscall_page(AppPc pc) {
  return raw(pc) >> 12 == 0xffff'ffff'ff600;
}

bool is_native_only(const Instr& instr) {
  if (instr.flow == Flow::kNativeOnly) return true;
  if (instr.segment == Segment::kGs && instr.mem.present && !can_translate_gs(instr)) return true;
  // rdgsbase, wrgsbase: f3 0f ae /1, /3 with a register operand
  if (instr.space == Space::kLegacy && instr.map == OpMap::k0F && instr.opcode == 0xae && instr.rep &&
      instr.modrm >= 0xc0 && (instr.modrm & 0x08) != 0)
    return true;
  // String operations and others that take GS without a ModRM operand.
  return instr.segment == Segment::kGs && !instr.has_modrm;
}

// The prefix that branch tables lead to: rcx is the app target, the app's rcx and rdx are in their spill slots.
//   mov rdx, -tag ; lea rcx, [rcx + rdx] ; jrcxz hit ; not rdx ; lea rcx, [rcx + rdx + 1] ; jmp next ; hit: restore
// Returns the rel32 of the jump, which leads to the miss until join_chain.
uint8_t* emit_prefix(Emitter& out, uint64_t tag) {
  out.load_constant(protocol::kRdx, 0 - tag);
  out.add_without_flags(protocol::kRcx, protocol::kRdx);
  out.jrcxz(0);
  uint8_t* other = out.here();
  out.invert(protocol::kRdx);
  out.subtract_prepared(protocol::kRcx, protocol::kRdx);
  out.align_patch_site(1);
  out.jump(reinterpret_cast<const uint8_t*>(&vsup_indirect_miss));
  uint8_t* to_next = out.here() - sizeof(uint32_t);
  other[-1] = static_cast<uint8_t>(out.here() - other);
  out.unspill(protocol::kRdx);
  out.unspill(protocol::kRcx);
  return to_next;
}

// Makes the prefix the last of the chain of those that share `tag`'s table entry: other threads may be on their way to
// it from then on. Those that were first are, mostly, what is executed most.
void join_chain(uint64_t tag, uint32_t prefix, const uint8_t* to_next) {
  uint32_t& head = CodeCache::thunk_heads()[tag & 0xffff];
  uint32_t& tail = CodeCache::thunk_tails()[tag & 0xffff];
  if (head == 0) {
    head = prefix;
  } else {
    patch_branch(tail, prefix);
  }
  tail = cache_offset(to_next);
  count(protocol::kCounter_thunks);
}

bool is_popf(const Instr& instr) {
  return instr.space == Space::kLegacy && instr.map == OpMap::kOneByte && instr.opcode == 0x9d;
}

// A store that may hit the block's own next instruction. Stacks are no place for code that changes itself.
bool may_modify_code(const Instr& instr) {
  if (!instr.mem.present || instr.mem.base == protocol::kRsp || instr.mem.base == protocol::kRbp) return false;
  Effects what;
  effects(instr, what);
  for (unsigned i = 0; i < what.access_count; ++i)
    if (what.access[i].write) return true;
  return false;
}

bool ends_block(const Instr& instr) {
  return instr.flow != Flow::kNone || is_native_only(instr) || stores_x87_pointer(instr);
}

class BlockTranslator {
 public:
  BlockTranslator(AppPc tag, CodeRegion& region)
      : region_(region), out_(code_cache.hot(), CodeCache::state_maps() + code_cache.map_used()) {
    block_.tag = tag;
    block_.trusted = trusted_code(region);
  }

  BlockResult run(bool with_prefix, bool may_continue);

 private:
  void decode_block();
  bool passes(const Instr& instr);
  void translate_body();
  bool translate_one(const Source& source);
  bool may_go_on_at(AppPc target) const;
  void translate_branch(const Source& source);
  void translate_side_exit(const Source& source);
  const uint8_t* bytes_of(AppPc pc) const { return block_.bytes + (raw(pc) - raw(block_.tag)); }

  CodeRegion& region_;
  unsigned passed_ = 0;      // conditional jumps in the block's middle
  uint16_t translated_ = 0;  // of these
  Emitter out_;
  uint8_t* entry_ = nullptr;
  bool may_continue_ = false;  // another block may be emitted behind this one
  BlockEnd end_ = BlockEnd::kExit;
  AppPc next_{};
  bool ends_in_request_ = false;
  Block block_;
  uint8_t snapshot_[kMaxCheckedBytes];
};

// The bytes of a checked region are copied first, since another thread may be writing there.
void BlockTranslator::decode_block() {
  uint64_t tag = raw(block_.tag);
  uint64_t left = region_.end - tag;
  block_.bytes = reinterpret_cast<const uint8_t*>(tag);
  if (region_.checked) {
    if (left > kMaxCheckedBytes) left = kMaxCheckedBytes;
    memcpy(snapshot_, block_.bytes, left);
    block_.bytes = snapshot_;
  }
  block_.size = block_.count = 0;
  while (block_.count < vsup_settings.max_block_instructions && block_.size < kMaxBlockBytes) {
    Instr& instr = block_.instructions[block_.count];
    uint64_t room = left - block_.size;
    if (!decode(block_.bytes + block_.size, room < 15 ? room : 15, tag + block_.size, instr)) return;
    const AppPc pc = advance(block_.tag, block_.size);
    block_.size += instr.length;
    ++block_.count;
    if (is_client_request(region_, pc, bytes_of(pc), instr)) {
      ends_in_request_ = true;
      return;
    }
    if ((ends_block(instr) && !passes(instr)) || (region_.writable && may_modify_code(instr))) return;
  }
}

// Whether the block goes on behind its last instruction, a conditional jump that is seldom followed: one forward. What
// follows is then part of each block that comes to it, so it goes on only where there is no block yet.
bool BlockTranslator::passes(const Instr& instr) {
  const Instrumenter* tool = instrumenter();
  if (instr.flow != Flow::kCondJump || tool == nullptr || tool->passes == nullptr || region_.checked ||
      passed_ == kMostSideExits || watches_entries())
    return false;
  const AppPc next = advance(block_.tag, block_.size);
  if (instr.target <= raw(next) || find_fragment(next) != kNoFragment || !tool->passes(block_)) return false;
  ++passed_;
  return true;
}

// Whether the target's block can be emitted next, so that no jump is needed. A block is not left without any code.
bool BlockTranslator::may_go_on_at(AppPc target) const {
  return may_continue_ && vsup_settings.link != 0 && !region_.checked && raw(target) >= region_.start &&
         raw(target) < region_.end && raw(target) != raw(block_.tag) && out_.here() != entry_ &&
         find_fragment(target) == kNoFragment && !code_cache.full();
}

// A direct one. What it leads to follows it where that has not been translated yet: hot paths run straight on.
void BlockTranslator::translate_branch(const Source& source) {
  const AppPc target{source.instr.target};
  // An entry that is watched must come by the dispatcher.
  bool goes_on = !watches_entries();
  switch (source.instr.flow) {
    case Flow::kCall:
      translate_return_address(out_, source);
      goes_on = goes_on && may_go_on_at(target);
      if (!goes_on) translate_called(out_, source);
      break;
    case Flow::kJump:
      goes_on = goes_on && may_go_on_at(target);
      if (!goes_on) translate_jump(out_, source);
      break;
    default:
      goes_on = goes_on && find_fragment(source.next()) != kNoFragment && may_go_on_at(target);
      translate_cond_jump(out_, source, goes_on);
      if (!goes_on) end_ = BlockEnd::kFallsThrough;
      break;
  }
  if (!goes_on) return;
  end_ = BlockEnd::kGoesOn;
  next_ = target;
}

// A conditional jump in the block's middle.
void BlockTranslator::translate_side_exit(const Source& source) {
  out_.align_patch_site(2);
  out_.branch_opcode(static_cast<uint8_t>(0x80 | source.instr.condition()));
  uint8_t* place = out_.place_rel32();
  out_.cover(source.offset);
  const SideRecord side{.fragment = static_cast<uint32_t>(vsup_state.fragment_count),
                        .place = cache_offset(place),
                        .block = instrumenter()->block_number(),
                        .at = static_cast<uint16_t>(source.offset & 0xfff),
                        .length = static_cast<uint16_t>(source.instr.length & 0xf),
                        .passed = static_cast<uint16_t>(translated_ & 0x7fff),
                        .made = 0};
  ++translated_;
  Emitter::land(place, add_side_stub(AppPc{source.instr.target}, code_cache.add_side(side)));
}

// Emits one instruction; returns whether the block goes on after it.
bool BlockTranslator::translate_one(const Source& source) {
  const Instr& instr = source.instr;
  if (is_native_only(instr)) {
    emit_exit(out_, LinkKind::kNative, source.pc);
    out_.cover(source.offset);
    return false;
  }
  if (ends_in_request_ && source.offset + instr.length == block_.size) {
    emit_exit(out_, LinkKind::kRequest, source.pc);
    out_.cover(source.offset);
    return false;
  }
  switch (instr.flow) {
    case Flow::kNone:
      if (instr.segment == Segment::kGs && instr.mem.present) {
        translate_gs(out_, source);
      } else if (instr.rip_relative()) {
        translate_rip_relative(out_, source);
      } else if (is_popf(instr)) {
        translate_popf(out_, source);
      } else {
        translate_plain(out_, source);
      }
      if (!stores_x87_pointer(instr)) return true;
      emit_x87_exit(out_, source.pc, instr.length);
      // Not an app state: a thread that was moved from here would keep the cache's address in what it has stored.
      out_.cover(source.offset + instr.length, {.step = true});
      return false;
    case Flow::kJump:
    case Flow::kCondJump:
    case Flow::kCall:
      translate_branch(source);
      return false;
    case Flow::kLoop:
      translate_loop(out_, source);
      return false;
    case Flow::kJumpIndirect:
    case Flow::kCallIndirect:
      translate_indirect(out_, source);
      return false;
    case Flow::kReturn:
      translate_return(out_, source);
      return false;
    case Flow::kSyscall:
      emit_exit(out_, LinkKind::kSyscall, source.pc);
      out_.cover(source.offset);
      return false;
    case Flow::kTrap:
      translate_plain(out_, source);
      end_ = BlockEnd::kFallsThrough;
      return false;
    case Flow::kNativeOnly:
      break;
  }
  VS_CHECK(false, raw(source.pc));
  return false;
}

void BlockTranslator::translate_body() {
  const Instrumenter* tool = instrumenter();
  if (tool != nullptr) tool->begin(block_);
  bool goes_on = true;
  for (uint32_t i = 0, offset = 0; i < block_.count; ++i) {
    const Instr& instr = block_.instructions[i];
    Source source{block_.bytes + offset, advance(block_.tag, offset), offset, instr};
    if (tool != nullptr) tool->before(out_, block_, i, source);
    if (instr.flow == Flow::kCondJump && i + 1 < block_.count) {
      translate_side_exit(source);
    } else {
      goes_on = translate_one(source);
    }
    offset += instr.length;
  }
  if (goes_on) end_ = BlockEnd::kFallsThrough;
}

BlockResult BlockTranslator::run(bool with_prefix, bool may_continue) {
  uint64_t tag = raw(block_.tag);
  decode_block();
  bool checked = region_.checked && block_.count > 0;
  const uint8_t* prefix = out_.here();
  const uint8_t* prefix_to_next = with_prefix ? emit_prefix(out_, tag) : nullptr;
  while (checked && (reinterpret_cast<uint64_t>(out_.here()) & 7) != 0) out_.byte(0x90);
  out_.skip_coverage();
  if (instrumenter() != nullptr && instrumenter()->counts_blocks) out_.set_kind(protocol::StateKind::kUncounted);
  entry_ = out_.here();
  if (!watches_entries()) out_.start_block(block_.tag);
  may_continue_ = may_continue;
  if (checked) emit_entry_check(out_, block_.tag, block_.bytes, block_.size, region_.gate);
  if (block_.count > 0) {
    translate_body();
  } else {
    emit_exit(out_, LinkKind::kNative, block_.tag);
    out_.cover(0);
  }
  if (end_ == BlockEnd::kFallsThrough) {
    next_ = advance(block_.tag, block_.size);
    if (may_go_on_at(next_)) {
      end_ = BlockEnd::kGoesOn;
    } else {
      out_.set_kind(protocol::StateKind::kExact);
      emit_exit(out_, LinkKind::kDirect, next_);
      out_.cover(block_.size);
    }
  }
  const uint32_t index = end_fragment(out_, entry_, block_.tag, block_.size, checked ? protocol::kFragmentChecked : 0u);
  code_cache.count_translation();
  if (with_prefix) CodeCache::thunk_of()[index] = cache_offset(prefix);
  region_.has_code = true;
  count(protocol::kCounter_fragments);
  count(protocol::kCounter_app_instructions, block_.count);
  count(protocol::kCounter_app_bytes, block_.size);
  return {index, end_ == BlockEnd::kGoesOn, next_, prefix_to_next};
}

}  // namespace

uint32_t translate(AppPc tag, Arrival arrival) {
  const uint64_t& translated = shared_block()->counters[protocol::kCounter_fragments];
  if (translated >= vsup_settings.translate_limit || in_vsyscall_page(tag)) return kNoFragment;
  CodeRegion& region = code_region_at(tag);
  if (!region.executable) return kNoFragment;
  BlockResult block = BlockTranslator(tag, region).run(arrival == Arrival::kIndirect, true);
  uint32_t index = block.index;
  const uint8_t* to_next = block.prefix_to_next;
  for (unsigned row = 2; block.continues; ++row) block = BlockTranslator(block.next, region).run(false, row < kMaxRow);
  if (to_next != nullptr) join_chain(raw(tag), CodeCache::thunk_of()[index], to_next);
  shared_block()->counters[protocol::kCounter_cache_bytes] = vsup_state.cache_used + vsup_state.cold_used;
  return index;
}

const uint8_t* ensure_thunk(uint32_t index) {
  uint32_t& thunk = CodeCache::thunk_of()[index];
  uint64_t tag = CodeCache::fragments()[index].app_pc;
  if (thunk == 0) {
    Emitter out(code_cache.cold(), nullptr);
    thunk = cache_offset(out.here());
    const uint8_t* to_next = emit_prefix(out, tag);
    out.jump(fragment_entry(index));
    code_cache.set_cold(out.here());
    join_chain(tag, thunk, to_next);
  }
  return reinterpret_cast<const uint8_t*>(protocol::kCacheBase + CodeCache::thunk_heads()[tag & 0xffff]);
}

}  // namespace vsup::agent
