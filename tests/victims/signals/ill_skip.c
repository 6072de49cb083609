// SIGILL on ud2: the handler skips it; si_addr is the instruction.
// EXPECT: skipped ok
#include "../victim.h"
static volatile int skipped;
static void handler(int signal, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  CHECK(info->si_addr == (void*)r[REG_RIP] && !in_arena((uint64_t)r[REG_RIP]));
  CHECK(memcmp(info->si_addr, "\x0f\x0b", 2) == 0 && info->si_code == ILL_ILLOPN);
  r[REG_RIP] += 2;
  ++skipped;
}
int main(void) {
  on_signal(SIGILL, handler);
  int n = 0;
  EACH_ROUND {
    for (int i = 0; i < 50; ++i, ++n) __asm__ volatile("ud2; nop");
  }
  CHECK(skipped == n);
  puts("skipped ok");
}
