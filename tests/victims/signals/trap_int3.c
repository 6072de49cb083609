// SIGTRAP by int3: the pc is behind it, as natively; a debugger-like program goes on.
// EXPECT: traps ok
#include "../victim.h"
extern char after_trap[];
static volatile int traps;
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] == (greg_t)after_trap);
  CHECK(info->si_code == SI_KERNEL || info->si_code == TRAP_BRKPT);
  ++traps;
}
int main(void) {
  on_signal(SIGTRAP, handler);
  int n = 0;
  EACH_ROUND {
    __asm__ volatile("int3\n.globl after_trap\nafter_trap: nop");
    ++n;
  }
  CHECK(traps == n);
  puts("traps ok");
}
