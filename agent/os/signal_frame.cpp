#include "agent/os/signal_frame.h"

#include "agent/base/entry_points.h"
#include "agent/base/memory.h"
#include "agent/base/settings.h"
#include "agent/base/syscall.h"
#include "agent/engine/trap_guard.h"

namespace vsup::agent {

namespace {

using protocol::ThreadContext;

constexpr int64_t kSigaltstack = 131;
constexpr uint64_t kDisabledStack = 2;  // SS_DISABLE
constexpr uint32_t kDisarmedStack = 1u << 31;
constexpr uint64_t kRedZone = 128;
constexpr uint64_t kFrameFlags = 7;  // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
constexpr uint16_t kUserCode = 0x33, kUserData = 0x2b;
constexpr uint64_t kClearedFlags = 0x10500;  // RF, DF, TF

// XCR0's bits of components. Tile data comes with a permission that each process asks for.
constexpr uint64_t kProtectionKeys = 1u << 9, kTileConfiguration = 1u << 17, kTileData = 1u << 18;
constexpr uint32_t kDefaultKeys = 0x5555'5554;  // arch/x86/mm/pkeys.c, init_pkru_value
constexpr uint64_t kLegacyAndHeader = 576;
constexpr uint64_t kLegacyComponents = 3;
constexpr uint64_t kSoftwareBytes = 464;  // of struct _fpx_sw_bytes in the legacy part
constexpr uint32_t kMagic1 = 0x4650'5853, kMagic2 = 0x4650'5845;
constexpr uint32_t kInitialMxcsr = 0x1f80;
constexpr uint64_t kInstructionPointer = 8, kMxcsr = 24, kComponentsPresent = 512;
constexpr uint64_t kLargestState = 4096;

// SignalAction::flags
constexpr uint64_t kOnStack = 0x0800'0000, kRestorer = 0x0400'0000, kNoDefer = 0x4000'0000, kResetHandler = 0x8000'0000;

struct Stack {  // stack_t
  uint64_t start;
  uint32_t flags, padding;
  uint64_t size;
};

struct Frame {  // struct rt_sigframe
  uint64_t return_address;
  uint64_t flags, link;
  Stack stack;
  uint64_t gpr[16];  // in kFrameOrder
  uint64_t pc, rflags;
  uint16_t cs, gs, fs, ss;
  uint64_t error, trap, old_mask, fault_address, state, reserved[8];
  uint64_t mask;
  uint64_t info[16];
};
static_assert(sizeof(Frame) == 440);

constexpr uint8_t kFrameOrder[16] = {protocol::kR8,  protocol::kR9,  protocol::kR10, protocol::kR11,
                                     protocol::kR12, protocol::kR13, protocol::kR14, protocol::kR15,
                                     protocol::kRdi, protocol::kRsi, protocol::kRbp, protocol::kRbx,
                                     protocol::kRdx, protocol::kRax, protocol::kRcx, protocol::kRsp};

struct alignas(64) ProcessorState {
  uint8_t bytes[kLargestState];
};

// What the machine has, the same for all threads; 0 components: not asked yet.
uint64_t components;
uint32_t state_size;

struct CpuId {
  uint32_t eax, ebx, ecx, edx;
};
CpuId cpu_id(uint32_t leaf, uint32_t subleaf) {
  CpuId result{};
  asm volatile("cpuid"
               : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
               : "a"(leaf), "c"(subleaf));
  return result;
}

// False when the machine has no xsave, or more than there is room for.
bool know_components() {
  constexpr uint32_t kFeatures = 1, kOsXsave = 1u << 27, kStateLeaf = 0xd;
  if (components != 0) return true;
  if ((cpu_id(kFeatures, 0).ecx & kOsXsave) == 0) return false;
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const uint64_t present = (low | uint64_t{high} << 32) & ~kTileData;
  uint32_t size = kLegacyAndHeader;
  for (uint32_t index = 2; index < 63; ++index) {
    if ((present >> index & 1) == 0) continue;
    const CpuId component = cpu_id(kStateLeaf, index);
    const uint32_t end = component.ebx + component.eax;
    if (end > size) size = end;
  }
  if (size + sizeof kMagic2 > kLargestState) return false;
  state_size = size;
  components = present;
  return true;
}

// Handlers start with the default keys: an app that has changed them is left to the kernel. So is one that may use
// tiles: it has asked for the permission.
bool has_usual_state() {
  constexpr int64_t kArchPrctl = 158;
  constexpr uint64_t kGetPermission = 0x1022;
  if ((components & kProtectionKeys) != 0) {
    uint32_t keys = 0, unused = 0;
    asm volatile("rdpkru" : "=a"(keys), "=d"(unused) : "c"(0));
    if (keys != kDefaultKeys) return false;
  }
  uint64_t permitted = 0;
  return (components & kTileConfiguration) == 0 ||
         (raw_syscall(kArchPrctl, kGetPermission, reinterpret_cast<uint64_t>(&permitted), 0, 0) == 0 &&
          (permitted & kTileData) == 0);
}

// As the handler finds it in its frame.
void save_state(ProcessorState& state) {
  memset(state.bytes, 0, kLegacyAndHeader);
  asm volatile("xsave64 %0"
               : "+m"(state)
               : "a"(static_cast<uint32_t>(components)), "d"(static_cast<uint32_t>(components >> 32)));
  const uint64_t present = load<uint64_t>(state.bytes + kComponentsPresent) | kLegacyComponents;
  store(state.bytes + kComponentsPresent, present);
  if (load<uint64_t>(state.bytes + kInstructionPointer) - protocol::kArenaBase < protocol::kArenaSize)
    store(state.bytes + kInstructionPointer, uint64_t{0});
  memset(state.bytes + kSoftwareBytes, 0, 48);
  store(state.bytes + kSoftwareBytes, kMagic1);
  store(state.bytes + kSoftwareBytes + 4, static_cast<uint32_t>(state_size + sizeof kMagic2));
  store(state.bytes + kSoftwareBytes + 8, components);
  store(state.bytes + kSoftwareBytes + 16, state_size);
  store(state.bytes + state_size, kMagic2);
}

void reset_state() {
  struct alignas(64) {
    uint8_t bytes[kLegacyAndHeader] = {};
  } initial;
  store(initial.bytes + kMxcsr, kInitialMxcsr);
  const uint64_t wanted = components & ~(kProtectionKeys | kTileConfiguration);
  asm volatile("xrstor64 %0"
               :
               : "m"(initial), "a"(static_cast<uint32_t>(wanted)), "d"(static_cast<uint32_t>(wanted >> 32))
               : "memory");
}

bool is_on(const Stack& stack, uint64_t sp) {
  return stack.size != 0 && sp > stack.start && sp - stack.start <= stack.size;
}

// Where the state goes; 0: nowhere that is allowed.
uint64_t place_state(const Stack& stack, const SignalAction& action, uint64_t sp) {
  const bool nested = is_on(stack, sp);
  const bool enters = (action.flags & kOnStack) != 0 && stack.size != 0 && !nested;
  uint64_t at = enters ? stack.start + stack.size : sp - kRedZone;
  at = (at - state_size - sizeof kMagic2) & ~uint64_t{63};
  return (nested || enters) && !is_on(stack, at - sizeof(Frame)) ? 0 : at;
}

void fill(Frame& frame, const ThreadContext& ctx, const SignalAction& action, const Stack& stack) {
  frame.return_address = action.restorer;
  frame.flags = kFrameFlags;
  frame.stack = stack;
  frame.stack.flags = stack.size == 0 ? kDisabledStack : 0;
  for (unsigned i = 0; i < 16; ++i) frame.gpr[i] = ctx.gpr[kFrameOrder[i]];
  frame.pc = ctx.app_pc;
  frame.rflags = ctx.rflags;
  frame.cs = kUserCode;
  frame.ss = kUserData;
  frame.old_mask = frame.mask = ctx.signal_mask;
  memcpy(frame.info, ctx.signal_info, sizeof frame.info);
}

bool goes_on(ThreadContext& ctx, uint64_t mask) {
  set_signal_mask(mask);
  unblock_trap_if_wanted(ctx);
  return true;
}

}  // namespace

bool deliver_signal(ThreadContext& ctx) {
  if (calls_are_filtered() || !know_components() || !has_usual_state()) return false;
  const uint64_t signal = ctx.signal_info[0] & 0xffff'ffff;  // si_signo
  const SignalAction action = signal_action(signal);
  if (action.handler == kSignalIgnored) return goes_on(ctx, ctx.signal_mask);
  if (action.handler == kSignalDefault || (action.flags & kRestorer) == 0 || (action.flags & kResetHandler) != 0)
    return false;
  Stack stack{};
  raw_syscall(kSigaltstack, 0, reinterpret_cast<uint64_t>(&stack), 0, 0);
  if ((stack.flags & kDisarmedStack) != 0) return false;

  const uint64_t state_at = place_state(stack, action, ctx.gpr[protocol::kRsp]);
  if (state_at == 0) return false;
  const uint64_t frame_at = ((state_at - sizeof(Frame)) & ~uint64_t{15}) - 8;
  ProcessorState state;
  save_state(state);
  Frame frame{};
  fill(frame, ctx, action, stack);
  frame.state = state_at;
  if (!vsup_safe_copy(reinterpret_cast<void*>(state_at), &state, state_size + sizeof kMagic2) ||
      !vsup_safe_copy(reinterpret_cast<void*>(frame_at), &frame, sizeof frame))
    return false;

  ctx.gpr[protocol::kRax] = 0;
  ctx.gpr[protocol::kRdi] = signal;
  ctx.gpr[protocol::kRsi] = frame_at + offsetof(Frame, info);
  ctx.gpr[protocol::kRdx] = frame_at + offsetof(Frame, flags);
  ctx.gpr[protocol::kRsp] = frame_at;
  ctx.rflags &= ~kClearedFlags;
  ctx.app_pc = action.handler;
  ctx.entry_reason = static_cast<uint64_t>(protocol::EntryReason::kHandler);
  reset_state();
  const uint64_t own = (action.flags & kNoDefer) != 0 ? 0 : uint64_t{1} << (signal - 1);
  return goes_on(ctx, ctx.signal_mask | action.mask | own);
}

}  // namespace vsup::agent
