// A handler that changes pc, registers, flags and vector state in the frame: the program goes on with those.
// EXPECT: modified ok
#include "../victim.h"
extern char spin_end[];
static void handler(int signal, siginfo_t* info, void* context) {
  ucontext_t* u = context;
  greg_t* r = u->uc_mcontext.gregs;
  r[REG_RIP] = (greg_t)spin_end;
  r[REG_RBX] = 0x123456789;
  r[REG_EFL] |= 1;
  u->uc_mcontext.fpregs->_xmm[5].element[0] = 0xabcdef;
}
int main(void) {
  on_signal(SIGALRM, handler);
  EACH_ROUND {
    struct itimerval value = {{0, 0}, {0, 2000}};
    setitimer(ITIMER_REAL, &value, NULL);
    long rbx, carry, xmm;
    __asm__ volatile("xorl %%ebx, %%ebx; 1: clc; jmp 1b; ud2\n.globl spin_end\nspin_end: setc %%al; movzbl %%al, %%eax; movd %%xmm5, %%ecx"
                     : "=b"(rbx), "=a"(carry), "=c"(xmm)::"cc", "xmm5");
    CHECK(rbx == 0x123456789 && carry == 1 && (uint32_t)xmm == 0xabcdef);
  }
  puts("modified ok");
}
