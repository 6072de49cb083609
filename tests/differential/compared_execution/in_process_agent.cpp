#include "tests/differential/compared_execution/in_process_agent.h"

#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "supervisor/inject/agent_image.h"
#include "supervisor/inject/state_map.h"

namespace vsup::test {

namespace {

using protocol::Exports;
using protocol::Service;
using protocol::ThreadContext;

const Exports* exports = nullptr;
jmp_buf leave;
ucontext_t final_context;
std::vector<uint8_t> final_xsave;
siginfo_t final_info;
bool running_cached = false;

ThreadContext* context() {
  return reinterpret_cast<ThreadContext*>(protocol::kSlotsBase);
}

[[noreturn]] void fail(const std::string& text) {
  std::fprintf(stderr, "in-process agent: %s\n", text.c_str());
  std::exit(2);
}

void map_at(uint64_t start, uint64_t size, int protection) {
  void* at = mmap(reinterpret_cast<void*>(start), size, protection,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != reinterpret_cast<void*>(start)) fail("the arena is taken");
}

void answer_map_query(uint64_t address) {
  std::ifstream maps("/proc/self/maps");
  ThreadContext* ctx = context();
  ctx->request_result[2] = 0;
  for (std::string line; std::getline(maps, line);) {
    uint64_t start = 0, end = 0;
    char mode[5] = {}, path[256] = {};
    std::sscanf(line.c_str(), "%lx-%lx %4s %*s %*s %*s %255s", &start, &end, mode, path);
    if (address < start || address >= end) continue;
    ctx->request_result[0] = start;
    ctx->request_result[1] = end;
    uint64_t flags = protocol::kMapPresent;
    if (mode[1] == 'w') flags |= protocol::kMapWritable;
    if (mode[2] == 'x') flags |= protocol::kMapExecutable;
    if (path[0] == '/') flags |= protocol::kMapFile;
    ctx->request_result[2] = flags;
  }
}

// General registers of ucontext in GprIndex order.
constexpr int kUcontextOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// Source: arch/x86/include/uapi/asm/sigcontext.h: the software-reserved bytes of the fxsave area hold magic and size.
void keep_xsave(const ucontext_t* uc) {
  const auto* area = reinterpret_cast<const uint8_t*>(uc->uc_mcontext.fpregs);
  uint32_t magic = 0, extended_size = 0;
  std::memcpy(&magic, area + 464, 4);
  std::memcpy(&extended_size, area + 468, 4);
  final_xsave.assign(area, area + (magic == 0x46505853 ? extended_size - 4 : 512));
}

void registers_from_context(ucontext_t* uc) {
  ThreadContext* ctx = context();
  for (int i = 0; i < 16; ++i) uc->uc_mcontext.gregs[kUcontextOrder[i]] = static_cast<greg_t>(ctx->gpr[i]);
  uc->uc_mcontext.gregs[REG_EFL] = static_cast<greg_t>(ctx->rflags);
  uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(ctx->app_pc);
}

// Turns a stop in the cache into app state by the fragment's state map.
void registers_from_cache(ucontext_t* uc) {
  uint64_t pc = static_cast<uint64_t>(uc->uc_mcontext.gregs[REG_RIP]);
  const auto* state = reinterpret_cast<const protocol::AgentState*>(exports->state);
  const auto* fragments = reinterpret_cast<const protocol::FragmentInfo*>(state->fragments);
  for (uint64_t i = 0; i < state->fragment_count; ++i) {
    const protocol::FragmentInfo& fragment = fragments[i];
    uint64_t start = protocol::kCacheBase + fragment.cache_start;
    if (pc < start || pc >= start + fragment.cache_size) continue;
    const auto* map = reinterpret_cast<const uint8_t*>(state->state_maps) + fragment.map_offset;
    auto found = supervisor::walk_state_map({map, fragment.map_size}, pc - start);
    if (!found || found->kind != protocol::StateKind::kExact) fail("a fault where the state map has no app state");
    for (int r = 0; r < 16; ++r)
      if (r != 4 && (found->spilled >> r & 1) != 0)
        uc->uc_mcontext.gregs[kUcontextOrder[r]] = static_cast<greg_t>(context()->spill[r]);
    uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(fragment.app_pc + found->app_offset);
    return;
  }
  fail("a fault at a cache pc of no fragment");
}

void on_signal(int, siginfo_t* info, void* opaque) {
  auto* uc = static_cast<ucontext_t*>(opaque);
  auto pc = static_cast<uint64_t>(uc->uc_mcontext.gregs[REG_RIP]);
  if (running_cached && pc == exports->service_trap + 1) {
    ThreadContext* ctx = context();
    switch (static_cast<Service>(ctx->service)) {
      case Service::kQueryMap:
        answer_map_query(ctx->request_argument[0]);
        uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(exports->service_done);
        return;
      case Service::kFlush:
        reinterpret_cast<void (*)()>(exports->reset_cache)();
        registers_from_context(uc);
        uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(exports->enter);
        return;
      case Service::kStepNative:
        registers_from_context(uc);
        final_info = {};
        if (ctx->app_pc != kSnippetEnd) final_info.si_signo = kNativeOnlySignal;
        break;
      case Service::kCrash: {
        const auto& crash = reinterpret_cast<protocol::SharedBlock*>(protocol::kSharedBase)->crash;
        fail(std::string("the agent's check failed: ") + crash.condition + " at " + crash.file + ":" +
             std::to_string(crash.line));
      }
      default:
        fail("unexpected service");
    }
  } else {
    final_info = *info;
    if (running_cached && pc >= protocol::kCacheBase && pc < protocol::kColdBase)
      registers_from_cache(uc);
    else if (pc >= protocol::kArenaBase && pc < protocol::kArenaBase + protocol::kArenaSize)
      fail("a fault in the agent");
    if (!running_cached && info->si_signo == SIGSEGV && pc == kSnippetEnd) final_info = {};
  }
  final_context = *uc;
  keep_xsave(uc);
  longjmp(leave, 1);
}

}  // namespace

InProcessAgent::InProcessAgent(const protocol::AgentSettings& settings) {
  const supervisor::AgentImage& image = supervisor::embedded_agent();
  if (!image.error.empty()) fail(image.error);
  map_at(protocol::kBlobBase, protocol::kBlobMaxSize, PROT_READ | PROT_WRITE | PROT_EXEC);
  map_at(protocol::kSharedBase, protocol::kSharedSize, PROT_READ | PROT_WRITE);
  map_at(protocol::kCacheBase, protocol::kCacheHotSize + protocol::kColdSize, PROT_READ | PROT_WRITE | PROT_EXEC);
  map_at(protocol::kLiteralBase, protocol::kLiteralSize, PROT_READ | PROT_WRITE);
  map_at(protocol::kHeapBase, protocol::kHeapSize, PROT_READ | PROT_WRITE);
  map_at(protocol::kSlotsBase, protocol::kSlotSize, PROT_READ | PROT_WRITE);
  for (const supervisor::AgentSegment& segment : image.segments)
    std::memcpy(reinterpret_cast<void*>(segment.data_address), segment.data.data(), segment.data.size());
  exports = &image.exports;
  std::memcpy(reinterpret_cast<void*>(exports->settings), &settings, sizeof settings);
  ThreadContext* ctx = context();
  ctx->self = protocol::kSlotsBase;
  ctx->agent_sp = protocol::kSlotsBase + protocol::kSlotSize;

  constexpr size_t kStackSize = 1 << 20;
  stack_t stack = {};
  stack.ss_size = kStackSize;
  stack.ss_sp = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal : {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) sigaction(signal, &action, nullptr);
  reinterpret_cast<void (*)()>(exports->initialize)();
}

// Starts through a signal frame: raise SIGUSR1 on the current stack, rewrite the frame, and let sigreturn load it all.
namespace {

MachineState* start_state = nullptr;

void on_start(int, siginfo_t*, void* opaque) {
  auto* uc = static_cast<ucontext_t*>(opaque);
  for (int i = 0; i < 16; ++i) uc->uc_mcontext.gregs[kUcontextOrder[i]] = static_cast<greg_t>(start_state->gpr[i]);
  uc->uc_mcontext.gregs[REG_EFL] = static_cast<greg_t>(start_state->rflags);
  uc->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(running_cached ? exports->enter : start_state->pc);
  if (!start_state->xsave.empty())
    std::memcpy(uc->uc_mcontext.fpregs, start_state->xsave.data(), start_state->xsave.size());
}

}  // namespace

void InProcessAgent::run(MachineState& state, bool cached) {
  running_cached = cached;
  start_state = &state;
  struct sigaction action = {};
  action.sa_sigaction = on_start;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGUSR1, &action, nullptr);
  context()->app_pc = state.pc;
  if (setjmp(leave) == 0) {
    syscall(SYS_arch_prctl, ARCH_SET_GS, cached ? protocol::kSlotsBase : 0);
    raise(SIGUSR1);
    fail("the snippet did not start");
  }
  for (int i = 0; i < 16; ++i) state.gpr[i] = static_cast<uint64_t>(final_context.uc_mcontext.gregs[kUcontextOrder[i]]);
  state.rflags = static_cast<uint64_t>(final_context.uc_mcontext.gregs[REG_EFL]);
  state.pc = static_cast<uint64_t>(final_context.uc_mcontext.gregs[REG_RIP]);
  state.signal = final_info.si_signo;
  state.signal_code = final_info.si_code;
  state.fault_address = reinterpret_cast<uint64_t>(final_info.si_addr);
  state.xsave = final_xsave;
}

void InProcessAgent::run_native(MachineState& state) {
  run(state, false);
}
void InProcessAgent::run_cached(MachineState& state) {
  run(state, true);
}
void InProcessAgent::reset() {
  reinterpret_cast<void (*)()>(exports->reset_cache)();
}

const protocol::AgentState& InProcessAgent::agent_state() const {
  return *reinterpret_cast<const protocol::AgentState*>(exports->state);
}

uint64_t InProcessAgent::counter(protocol::CounterIndex index) const {
  return reinterpret_cast<const protocol::SharedBlock*>(protocol::kSharedBase)->counters[index];
}

}  // namespace vsup::test
