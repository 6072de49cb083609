// A handler interrupted by another handler, five deep, and the masks in between.
// EXPECT: depth 5 returns 5
#include "../victim.h"
static volatile int depth, returns;
static const int kSignals[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGTERM};
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(signal == kSignals[depth]);
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  for (int i = 0; i < 5; ++i) CHECK(sigismember(&mask, kSignals[i]) == (i <= depth));
  ++depth;
  if (depth < 5) raise(kSignals[depth]);
  ++returns;
}
int main(void) {
  for (int i = 0; i < 5; ++i) on_signal(kSignals[i], handler);
  EACH_ROUND {
    depth = returns = 0;
    raise(kSignals[0]);
    CHECK(returns == 5);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int i = 0; i < 5; ++i) CHECK(!sigismember(&mask, kSignals[i]));
  }
  printf("depth %d returns %d\n", depth, returns);
}
