// SA_RESETHAND, SA_NODEFER and SA_ONSTACK with no stack set.
// EXPECT: flags ok
#include "../victim.h"
static volatile int depth, deepest;
static void again(int signal, siginfo_t* info, void* context) {
  ++depth;
  if (depth > deepest) deepest = depth;
  if (depth < 4) raise(signal);
  --depth;
}
int main(void) {
  EACH_ROUND {
    on_signal_flags(SIGUSR1, again, SA_NODEFER | SA_ONSTACK);
    deepest = 0;
    raise(SIGUSR1);
    CHECK(deepest == 4);
    on_signal_flags(SIGUSR2, again, SA_RESETHAND);
    depth = 5;
    raise(SIGUSR2);
    depth = 0;
    struct sigaction action;
    sigaction(SIGUSR2, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL);
  }
  puts("flags ok");
}
