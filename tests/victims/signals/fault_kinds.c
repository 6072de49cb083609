// Faults in instructions that touch the stack, branch or repeat: push, call, ret, indirect jump, rep movs, rip-relative.
// EXPECT: fault kinds ok
#include "../victim.h"
static volatile uint64_t pc, sp, cx, di, address;
static volatile uint64_t resume_pc, resume_sp;
static void handler(int signal, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  pc = (uint64_t)r[REG_RIP], sp = (uint64_t)r[REG_RSP], cx = (uint64_t)r[REG_RCX], di = (uint64_t)r[REG_RDI];
  address = (uint64_t)info->si_addr;
  r[REG_RIP] = (greg_t)resume_pc;
  r[REG_RSP] = (greg_t)resume_sp;
}
#define FAULT(setup, faulting)                                                                              \
  __asm__ volatile(                                                                                         \
      "pushq %%rbx; pushq %%rbp; leaq 8f(%%rip), %%rax; movq %%rax, resume_pc(%%rip); movq %%rsp, resume_sp(%%rip)\n" \
      "leaq 7f(%%rip), %%rax; movq %%rax, %0\n" setup "\n7: " faulting "\n8: popq %%rbp; popq %%rbx\n"       \
      : "=m"(expected)                                                                                      \
      : "r"(guard)                                                                                          \
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "memory", "cc")
static uint64_t expected;
int main(void) {
  stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&alternate, NULL);
  on_signal_flags(SIGSEGV, handler, SA_ONSTACK);
  on_signal_flags(SIGBUS, handler, SA_ONSTACK);
  register char* guard __asm__("r13") = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t base = (uint64_t)guard;
  mprotect(guard + 4096, 4096, PROT_NONE);
  EACH_ROUND {
    FAULT("leaq 8192(%1), %%rsp", "pushq %%rax");
    CHECK(pc == expected && sp == base + 8192 && address == base + 8184);
    FAULT("leaq 8192(%1), %%rsp", "call 8f");
    CHECK(pc == expected && sp == base + 8192 && address == base + 8184);
    FAULT("leaq 8192(%1), %%rsp; leaq 8f(%%rip), %%rax", "call *%%rax");
    CHECK(pc == expected && sp == base + 8192 && address == base + 8184);
    FAULT("leaq 4096(%1), %%rsp", "ret");
    CHECK(pc == expected && sp == base + 4096 && address == base + 4096);
    FAULT("leaq 4096(%1), %%rsp", "popq %%rax");
    CHECK(pc == expected && sp == base + 4096 && address == base + 4096);
    FAULT("leaq 4096(%1), %%rcx", "jmp *(%%rcx)");
    CHECK(pc == expected && address == base + 4096);
    FAULT("leaq 4096(%1), %%rcx", "call *(%%rcx)");
    CHECK(pc == expected && sp == resume_sp && address == base + 4096);
    FAULT("leaq 4096(%1), %%rcx", "jmp *%%rcx");  // the fault is the fetch: pc is the target
    CHECK(pc == base + 4096 && address == base + 4096);
    FAULT("leaq 4096(%1), %%rcx", "call *%%rcx");
    CHECK(pc == base + 4096 && sp == resume_sp - 8);
    FAULT("movq $0x10, %%rcx", "jmp *%%rcx");
    CHECK(pc == 0x10 && address == 0x10);
    FAULT("movq $1, %%rcx; shlq $60, %%rcx", "jmp *%%rcx");  // not canonical: the jump itself faults, or the fetch
    CHECK(!in_arena(pc));
    FAULT("movq $1, %%rcx; shlq $60, %%rcx", "movq (%%rcx), %%rax");
    CHECK(pc == expected && address == 0);
    FAULT("leaq 4096-10(%1), %%rdi; movq $64, %%rcx; movb $3, %%al", "rep stosb");
    CHECK(pc == expected && cx == 54 && di == base + 4096);
    FAULT("leaq (%1), %%rsi; leaq 4096-16(%1), %%rdi; movq $64, %%rcx", "rep movsq");
    CHECK(pc == expected && cx == 62 && di == base + 4096);
    FAULT("", "hlt");
    CHECK(pc == expected && address == 0);
    FAULT("", "movq %%rax, %%cr0");
    CHECK(pc == expected && address == 0);
    FAULT("leaq 4096(%1), %%rsi", "vmovups (%%rsi), %%ymm0");
    CHECK(pc == expected && address == base + 4096);
  }
  puts("fault kinds ok");
}
