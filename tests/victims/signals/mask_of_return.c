// What an rt_sigreturn brings back is the signal mask of its frame, and a forked child has its parent's,
// wherever in the two calls a switch comes.
// EXPECT: masks kept
#include "../victim.h"

enum { ROUNDS_PER_FORK = 50 };

// struct ucontext of arch/x86/include/uapi/asm/ucontext.h, whose mask has 8 bytes.
static unsigned char kept[__builtin_offsetof(ucontext_t, uc_sigmask) + 8] __attribute__((aligned(16)));
static unsigned char stack[1 << 16] __attribute__((aligned(16)));
static long rounds;

static void block_all(void) {
  sigset_t all;
  sigfillset(&all);
  CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
}

static int blocks_trap(void) {
  sigset_t now;
  CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
  return sigismember(&now, SIGTRAP);
}

static void fork_once(void) {
  block_all();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(blocks_trap() ? 0 : 1);
  CHECK(blocks_trap());
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static _Noreturn void return_again(void) {
  block_all();
  asm volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" : : "r"(kept) : "memory");
  __builtin_unreachable();
}

static _Noreturn void landing(void) {
  CHECK(!blocks_trap());
  if (++rounds % ROUNDS_PER_FORK == 0) fork_once();
  if (elapsed_ms() < 300) return_again();
  puts("masks kept");
  exit(0);
}

static void handler(int signal, siginfo_t* info, void* context) {
  ucontext_t* frame = context;
  frame->uc_mcontext.gregs[REG_RIP] = (greg_t)landing;
  frame->uc_mcontext.gregs[REG_RSP] = (greg_t)(stack + sizeof stack - 8);
  frame->uc_mcontext.fpregs = NULL;  // the kernel resets what is not there
  memcpy(kept, frame, sizeof kept);
}

int main(void) {
  on_signal(SIGUSR1, handler);
  raise(SIGUSR1);
}
