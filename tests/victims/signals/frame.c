// A handler's frame is the kernel's to the bit that an app can tell: processor state, masks, stacks and flags of the
// action; and what it returns with is in force afterwards.
// EXPECT: frames kept
// NEEDS: avx
#include <setjmp.h>

#include "../victim.h"

// struct _fpx_sw_bytes in the frame's fxsave area, arch/x86/include/uapi/asm/sigcontext.h
struct software_bytes {
  uint32_t magic1, extended_size;
  uint64_t features;
  uint32_t size;
};

static volatile int calls;
static volatile int depth;
static char other_stack[1 << 16] __attribute__((aligned(16)));
static uint64_t expected_mask;

static uint64_t mask_now(void) {
  uint64_t mask = 0;
  CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask) == 0);
  return mask;
}

static uint64_t bit(int number) {
  return (uint64_t)1 << (number - 1);
}

static uint64_t features(void) {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | (uint64_t)high << 32;
}

static int on_other_stack(const void* at) {
  return (const char*)at >= other_stack && (const char*)at < other_stack + sizeof other_stack;
}

__attribute__((noinline)) static void check_state(ucontext_t* frame) {
  const char* state = (const char*)frame->uc_mcontext.fpregs;
  const struct software_bytes* bytes = (const void*)(state + 464);
  CHECK(((uintptr_t)state & 63) == 0);
  CHECK(bytes->magic1 == 0x46505853 && bytes->extended_size == bytes->size + 4);
  CHECK((bytes->features & ~(features() | 1 << 18)) == 0 && (bytes->features & 7) == 7);
  CHECK(*(const uint32_t*)(state + bytes->size) == 0x46505845);
  CHECK((*(const uint64_t*)(state + 512) & 3) == 3);
  CHECK(!in_arena(*(const uint64_t*)(state + 8)));
  CHECK((frame->uc_flags & 7) == 7 && frame->uc_link == NULL);
}

// xmm0 and ymm0's upper half, mxcsr and the x87 control word as the kernel resets them.
#define READ_START_STATE(ymm, mxcsr, control) \
  asm volatile("vmovdqu %%ymm0, %0\n\tstmxcsr %1\n\tfnstcw %2" : "=m"(ymm), "=m"(mxcsr), "=m"(control))

static void plain(int signal, siginfo_t* info, void* context) {
  uint64_t ymm[4];
  uint32_t mxcsr;
  uint16_t control;
  READ_START_STATE(ymm, mxcsr, control);
  CHECK((ymm[0] | ymm[1] | ymm[2] | ymm[3]) == 0 && mxcsr == 0x1f80 && control == 0x37f);
  ucontext_t* frame = context;
  check_state(frame);
  const char* state = (const char*)frame->uc_mcontext.fpregs;
  CHECK(*(const uint64_t*)(state + 160) == 0x1111 && *(const uint64_t*)(state + 576) == 0x3333);
  CHECK(*(const uint16_t*)state == 0x27f && *(const uint32_t*)(state + 24) == 0x7f80);
  CHECK(signal == SIGUSR1 && info->si_signo == SIGUSR1 && info->si_code == SI_TKILL && info->si_pid == getpid());
  CHECK(mask_now() == (expected_mask | bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGTRAP)));
  CHECK(frame->uc_sigmask.__val[0] == expected_mask);
  CHECK(frame->uc_stack.ss_sp == other_stack && frame->uc_stack.ss_size == sizeof other_stack);
  CHECK(!on_other_stack(&frame) && !on_other_stack(frame));
  CHECK(frame->uc_mcontext.gregs[REG_RBX] == 0x5555 && frame->uc_mcontext.gregs[REG_RSP] % 8 == 0);
  CHECK((uintptr_t)frame < (uintptr_t)frame->uc_mcontext.gregs[REG_RSP] - 128);
  frame->uc_mcontext.gregs[REG_RBX] = 0x6666;
  ((uint64_t*)(state + 160))[0] = 0x7777;
  ++calls;
}

static void raise_plain(void) {
  static const uint64_t ymm[4] = {0x1111, 0x2222, 0x3333, 0x4444};
  static const uint32_t mxcsr = 0x7f80;
  static const uint16_t control = 0x27f;
  static const uint32_t usual_mxcsr = 0x1f80;
  static const uint16_t usual_control = 0x37f;
  uint64_t after[4], rbx;
  uint32_t mxcsr_after;
  uint16_t control_after;
  long result;
  asm volatile(
      "vmovdqu %[ymm], %%ymm0\n\tldmxcsr %[mxcsr]\n\tfldcw %[control]\n\t"
      "mov $0x5555, %%rbx\n\tsyscall\n\t"
      "vmovdqu %%ymm0, %[after]\n\tstmxcsr %[mxcsr_after]\n\tfnstcw %[control_after]\n\tmov %%rbx, %[rbx]\n\t"
      "ldmxcsr %[usual_mxcsr]\n\tfldcw %[usual_control]\n\tvzeroupper"
      : "=a"(result), [after] "=m"(after), [mxcsr_after] "=m"(mxcsr_after), [control_after] "=m"(control_after),
        [rbx] "=m"(rbx)
      : "a"(SYS_tgkill), "D"((long)getpid()), "S"(syscall(SYS_gettid)), "d"((long)SIGUSR1), [ymm] "m"(ymm),
        [mxcsr] "m"(mxcsr), [control] "m"(control), [usual_mxcsr] "m"(usual_mxcsr), [usual_control] "m"(usual_control)
      : "rbx", "rcx", "r11", "memory", "xmm0");
  CHECK(result == 0 && rbx == 0x6666);
  CHECK(after[0] == 0x7777 && after[1] == 0x2222 && after[2] == 0x3333 && after[3] == 0x4444);
  CHECK(mxcsr_after == mxcsr && control_after == control);
}

static void nested(int signal, siginfo_t* info, void* context) {
  CHECK(on_other_stack(&context) && on_other_stack(context));
  CHECK((mask_now() & bit(SIGUSR2)) == 0);
  ++calls;
  if (++depth < 3) raise(SIGUSR2);
  --depth;
}

static void once(int signal, siginfo_t* info, void* context) {
  struct sigaction now;
  CHECK(sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
  ++calls;
}

static void set(int number, void (*handler)(int, siginfo_t*, void*), int flags, uint64_t mask) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  for (int i = 1; i < 32; ++i)
    if (mask & bit(i)) sigaddset(&action.sa_mask, i);
  CHECK(sigaction(number, &action, NULL) == 0);
}

static sigjmp_buf back;

// A stack that has no room: the kernel kills by SIGSEGV, whose handler has a stack of its own.
static void no_room(int signal, siginfo_t* info, void* context) {
  ++calls;
  siglongjmp(back, 1);
}

static void raise_without_room(void) {
  static char* page;
  if (page == NULL) {
    page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && mprotect(page + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
  }
  if (sigsetjmp(back, 1)) return;
  asm volatile("mov %%rsp, %%rbx\n\tmov %[top], %%rsp\n\tsyscall\n\tmov %%rbx, %%rsp"
               :
               : "a"(SYS_tgkill), "D"((long)getpid()), "S"(syscall(SYS_gettid)),
                 "d"((long)SIGHUP), [top] "r"(page + 4096 + 256)
               : "rbx", "rcx", "r11", "memory");
  CHECK(!"a frame where there is no room");
}

int main(void) {
  stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  CHECK(sigaltstack(&stack, NULL) == 0);
  set(SIGUSR1, plain, 0, bit(SIGUSR2) | bit(SIGTRAP));
  set(SIGUSR2, nested, SA_ONSTACK | SA_NODEFER, 0);
  set(SIGHUP, no_room, 0, 0);
  set(SIGSEGV, no_room, SA_ONSTACK, 0);
  signal(SIGPIPE, SIG_IGN);
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGWINCH);
  CHECK(sigprocmask(SIG_BLOCK, &some, NULL) == 0);
  expected_mask = bit(SIGWINCH);
  EACH_ROUND {
    calls = 0;
    raise_plain();
    CHECK(calls == 1 && mask_now() == expected_mask);
    raise(SIGUSR2);
    CHECK(calls == 4 && mask_now() == expected_mask);
    set(SIGURG, once, SA_RESETHAND, 0);
    raise(SIGURG);
    CHECK(calls == 5);
    raise(SIGPIPE);
    raise_without_room();
    CHECK(calls == 6 && mask_now() == expected_mask);
  }
  puts("frames kept");
}
