// A handler that changes pc, registers, flags and vector state in the frame: the program goes on with those.
// EXPECT: modified ok
#include "../victim.h"
extern char spin[], spin_end[];
static const struct itimerval soon = {{0, 0}, {0, 2000}};
static void handler(int signal, siginfo_t* info, void* context) {
  ucontext_t* u = context;
  greg_t* r = u->uc_mcontext.gregs;
  if (r[REG_RIP] < (greg_t)spin || r[REG_RIP] >= (greg_t)spin_end) {  // not there yet
    setitimer(ITIMER_REAL, &soon, NULL);
    return;
  }
  r[REG_RIP] = (greg_t)spin_end;
  r[REG_RBX] = 0x123456789;
  r[REG_EFL] |= 1;
  u->uc_mcontext.fpregs->_xmm[5].element[0] = 0xabcdef;
}
int main(void) {
  on_signal(SIGALRM, handler);
  EACH_ROUND {
    setitimer(ITIMER_REAL, &soon, NULL);
    long rbx, carry, xmm;
    __asm__ volatile(".globl spin\nspin: xorl %%ebx, %%ebx; 1: clc; jmp 1b; ud2\n.globl spin_end\nspin_end: setc %%al; movzbl %%al, %%eax; movd %%xmm5, %%ecx"
                     : "=b"(rbx), "=a"(carry), "=c"(xmm)::"cc", "xmm5");
    CHECK(rbx == 0x123456789 && carry == 1 && (uint32_t)xmm == 0xabcdef);
  }
  puts("modified ok");
}
