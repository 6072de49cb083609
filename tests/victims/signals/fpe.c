// SIGFPE from an integer division: code, address and pc; and from an x87 and an SSE exception.
// EXPECT: fpe ok
#include "../victim.h"
#include <fenv.h>
static volatile uint64_t pc, address;
static volatile int code;
extern char div_here[], div_next[], sse_here[], sse_next[];
static uint64_t next;
static void handler(int signal, siginfo_t* info, void* context) {
  ucontext_t* u = context;
  pc = (uint64_t)u->uc_mcontext.gregs[REG_RIP], address = (uint64_t)info->si_addr, code = info->si_code;
  u->uc_mcontext.gregs[REG_RIP] = (greg_t)next;
  u->uc_mcontext.fpregs->mxcsr = 0x1f80;
}
int main(void) {
  on_signal(SIGFPE, handler);
  EACH_ROUND {
    next = (uint64_t)div_next;
    __asm__ volatile("xorl %%ecx, %%ecx; movl $5, %%eax; cltd\n.globl div_here, div_next\ndiv_here: idivl %%ecx\ndiv_next:" ::: "rax", "rcx", "rdx", "cc");
    CHECK(pc == (uint64_t)div_here && address == pc && code == FPE_INTDIV);
    next = (uint64_t)sse_next;
    uint32_t unmasked = 0x1d80;  // divide by zero not masked
    double zero = 0, one = 1;
    __asm__ volatile("ldmxcsr %0; movsd %1, %%xmm0\n.globl sse_here, sse_next\nsse_here: divsd %2, %%xmm0\nsse_next:" ::"m"(unmasked), "m"(one), "m"(zero) : "xmm0");
    CHECK(pc == (uint64_t)sse_here && address == pc && code == FPE_FLTDIV);
  }
  puts("fpe ok");
}
