// getcontext and setcontext, and setcontext to the frame of a handler: rt_sigreturn's work done by hand.
// EXPECT: contexts ok
#include "../victim.h"
static volatile int phase;
static ucontext_t saved;
static void handler(int signal, siginfo_t* info, void* context) {
  ++phase;
  memcpy(&saved.uc_mcontext, &((ucontext_t*)context)->uc_mcontext, sizeof saved.uc_mcontext);
}
int main(void) {
  on_signal(SIGUSR1, handler);
  EACH_ROUND {
    volatile int turns = 0;
    ucontext_t here;
    getcontext(&here);
    if (++turns < 10) setcontext(&here);
    CHECK(turns == 10);
    raise(SIGUSR1);
    CHECK(!in_arena((uint64_t)saved.uc_mcontext.gregs[REG_RIP]));
  }
  CHECK(phase >= 2);
  puts("contexts ok");
}
