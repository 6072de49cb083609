#include "agent/callstack/unwind.h"

#include "agent/base/memory.h"
#include "protocol/callstack.h"

namespace vsup::agent {

namespace {

using namespace protocol;

ReadGuard walk_guard{};

constexpr unsigned kDwarfRbp = 6, kDwarfRsp = 7;
constexpr uint64_t kAppEnd = 0x7fff'ffff'f000;
// A frame pointer further off than this is some other value.
constexpr uint64_t kMaxGuessedFrame = 8 << 20;

// An UnwindRow without its start.
struct Rule {
  int32_t cfa_offset;
  int16_t rbp_offset;
  int8_t return_offset;
  uint8_t forms;
};
static_assert(sizeof(Rule) == 8);

constexpr Rule rule_of_form(uint8_t cfa_form) {
  return {0, 0, -1, cfa_form};
}

// Read and written without a lock: `check` is key ^ the rule's bits spread by a multiplication, so that two halves that
// do not belong together are no hit. The key is the pc with the directory's epoch, or, where no module was found, with
// its generation and kNoModule: the next one may have one.
struct CachedRule {
  uint64_t check;
  uint64_t rule;
};

constexpr uint64_t kSpread = 0x9e37'79b9'7f4a'7c15;

CachedRule* rule_cache() {
  return reinterpret_cast<CachedRule*>(kRuleCacheBase);
}

const UnwindDirectory* directory() {
  auto* control = reinterpret_cast<const CallstackControl*>(kCallstackBase);
  return reinterpret_cast<const UnwindDirectory*>(__atomic_load_n(&control->directory, __ATOMIC_ACQUIRE));
}

Rule search_row(const UnwindModule& module, uint64_t pc) {
  auto* rows = reinterpret_cast<const UnwindRow*>(module.rows);
  uint64_t distance = pc - module.base;
  if (pc < module.base || distance > UINT32_MAX) return rule_of_form(kCfaNone);
  uint64_t low = 0, high = module.row_count;  // rows below `low` start at or before pc, those from `high` on behind it
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (rows[middle].start <= distance) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return rule_of_form(kCfaNone);
  const UnwindRow& row = rows[low - 1];
  return {row.cfa_offset, row.rbp_offset, row.return_offset, row.forms};
}

const UnwindModule* search_module(const UnwindDirectory& in, uint64_t pc) {
  uint64_t low = 0, high = in.count;
  while (low < high) {
    uint64_t middle = (low + high) / 2;
    if (in.modules[middle].start <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > 0 && pc < in.modules[low - 1].end ? &in.modules[low - 1] : nullptr;
}

Rule rule_at(uint64_t pc) {
  const UnwindDirectory* in = directory();
  if (in == nullptr) return rule_of_form(kCfaNone);
  constexpr uint64_t kNoModule = uint64_t{1} << 47;  // no user address has that bit
  const uint64_t key = pc ^ in->epoch << 48, no_module_key = pc ^ in->generation << 48 ^ kNoModule;
  CachedRule& cached = rule_cache()[(pc * kSpread) >> (64 - kRuleCacheBits)];
  uint64_t bits = __atomic_load_n(&cached.rule, __ATOMIC_RELAXED);
  const uint64_t found = __atomic_load_n(&cached.check, __ATOMIC_RELAXED) ^ bits * kSpread;
  if (found == key || found == no_module_key) [[likely]]
    return load<Rule>(&bits);
  const UnwindModule* module = search_module(*in, pc);
  Rule rule = module != nullptr ? search_row(*module, pc) : rule_of_form(kCfaNone);
  bits = load<uint64_t>(&rule);
  __atomic_store_n(&cached.rule, bits, __ATOMIC_RELAXED);
  __atomic_store_n(&cached.check, (module != nullptr ? key : no_module_key) ^ bits * kSpread, __ATOMIC_RELAXED);
  return rule;
}

// x86-64 has three forms of near calls: e8 rel32; ff /2 with a register or memory operand; either with prefixes before.
bool follows_call(uint64_t pc, ReadLog& log) {
  uint64_t before = 0;
  if (pc < 8 || !log.load(pc - 8, before)) return false;
  auto byte = [before](unsigned distance) { return static_cast<uint8_t>(before >> (64 - 8 * distance)); };
  if (byte(5) == 0xe8) return true;
  for (unsigned distance = 2; distance <= 7; ++distance)
    if (byte(distance) == 0xff && (byte(distance - 1) & 0x38) == 0x10) return true;
  return false;
}

WalkStep leave_signal_frame(WalkState& state, ReadLog& log) {
  log.expect_faults();
  // struct ucontext's uc_mcontext begins at 40; rbp, rsp and rip are its words 10, 15 and 16 (asm/sigcontext.h).
  WalkState next{.pc = 0, .sp = 0, .bp = 0, .exact = true};
  if (!log.load(state.sp + 168, next.pc) || !log.load(state.sp + 160, next.sp) || !log.load(state.sp + 120, next.bp) ||
      next.pc >= kAppEnd)
    return WalkStep::kLost;
  state = next;
  return WalkStep::kCaller;
}

// mov $15, %rax; syscall: the trampoline of a C library that does not describe it (musl).
bool returns_from_signal(uint64_t pc, ReadLog& log) {
  uint64_t first = 0, second = 0;
  return log.load(pc, first) && log.load(pc + 1, second) && first == 0x0f00'0000'0fc0'c748 &&
         second == 0x050f'0000'000f'c0c7;
}

bool load_rbp(const WalkState& state, uint64_t& value, ReadLog& log) {
  value = state.bp;
  return !state.bp_saved || log.load(state.bp, value);
}

WalkStep guess_caller(WalkState& state, ReadLog& log) {
  log.expect_faults();
  if (!state.exact && returns_from_signal(state.pc, log)) return leave_signal_frame(state, log);
  uint64_t pc = 0, bp = 0, frame = 0;
  if (!load_rbp(state, frame, log) || frame < state.sp || frame - state.sp > kMaxGuessedFrame || frame % 8 != 0 ||
      !log.load(frame, bp) || !log.load(frame + 8, pc) || !follows_call(pc, log))
    return WalkStep::kLost;
  state = {.pc = pc, .sp = frame + 16, .bp = bp, .exact = false, .guessed = true};
  return WalkStep::kCaller;
}

// Of a register that is known; false for others: only the innermost function could still have them.
bool register_value(const WalkState& state, unsigned number, uint64_t& value, ReadLog& log) {
  if (number == kDwarfRbp) return load_rbp(state, value, log);
  value = state.sp;
  return number == kDwarfRsp;
}

bool find_cfa(const WalkState& state, const Rule& rule, uint64_t lookup, uint64_t& cfa, ReadLog& log) {
  unsigned form = rule.forms & 0x3f;
  auto offset = static_cast<uint64_t>(int64_t{rule.cfa_offset});
  if (form < kCfaDereference) {
    if (!register_value(state, form, cfa, log)) return false;
    cfa += offset;
    return true;
  }
  if (form < kCfaPlt) {
    uint64_t at = 0;
    if (!register_value(state, form & 15, at, log) || !log.load(at + offset, cfa)) return false;
    if (form >= kCfaDereferencePlus8) cfa += 8;
    return true;
  }
  if (form != kCfaPlt) return false;
  cfa = state.sp + ((lookup & 15) >= offset ? 16 : 8);
  return true;
}

}  // namespace

void set_read_guard(const ReadGuard& guard) {
  walk_guard = guard;
}

const ReadGuard& read_guard() {
  return walk_guard;
}

uint64_t unwind_epoch() {
  const UnwindDirectory* in = directory();
  return in == nullptr ? 0 : in->epoch;
}

WalkStep step_to_caller(WalkState& state, ReadLog& log) {
  uint64_t lookup = state.exact ? state.pc : state.pc - 1;
  Rule rule = rule_at(lookup);
  unsigned form = rule.forms & 0x3f;
  uint64_t cfa;
  if (form == kCfaRegister + kDwarfRsp) [[likely]] {
    cfa = state.sp + static_cast<uint64_t>(int64_t{rule.cfa_offset});
  } else {
    if (form == kCfaEnd) return WalkStep::kEnd;
    if (form == kCfaSignalFrame) return leave_signal_frame(state, log);
    if (form == kCfaNone) return guess_caller(state, log);
    if (!find_cfa(state, rule, lookup, cfa, log)) return guess_caller(state, log);
  }
  uint64_t pc;
  if (cfa <= state.sp || !log.load(cfa + static_cast<uint64_t>(int64_t{rule.return_offset} * 8), pc))
    return WalkStep::kLost;
  if (pc == 0) return WalkStep::kEnd;
  if (pc >= kAppEnd) return WalkStep::kLost;
  auto saved_at = static_cast<uint64_t>(int64_t{rule.rbp_offset} * 8);
  switch (rule.forms >> 6) {
    case kRbpAtCfa:
      state.bp = cfa + saved_at;
      state.bp_saved = true;
      break;
    case kRbpAtRbp:
      if (!load_rbp(state, state.bp, log)) return WalkStep::kLost;
      state.bp += saved_at;
      state.bp_saved = true;
      break;
    case kRbpUnknown:
      state.bp = 0;
      state.bp_saved = false;
      break;
    default:
      break;
  }
  state.pc = pc;
  state.sp = cfa;
  state.exact = false;
  state.guessed = false;
  return WalkStep::kCaller;
}

}  // namespace vsup::agent
