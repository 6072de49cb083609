// A SIGTRAP that a program sends itself is delivered like any other signal.
// EXPECT: trap raised
#include "../victim.h"
static volatile int got;
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(info->si_code == SI_TKILL && info->si_pid == getpid());
  ++got;
}
int main(void) {
  on_signal(SIGTRAP, handler);
  EACH_ROUND {
    got = 0;
    raise(SIGTRAP);
    CHECK(got == 1);
  }
  puts("trap raised");
}
