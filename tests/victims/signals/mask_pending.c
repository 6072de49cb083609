// Blocked signals stay pending, standard ones once and real-time ones each, and come in order when unblocked.
// EXPECT: order 1 10 11 12 13
#include "../victim.h"
static int order[64];
static volatile int count;
static void handler(int signal, siginfo_t* info, void* context) {
  order[count++] = signal == SIGUSR1 ? 1 : info->si_value.sival_int;
}
int main(void) {
  on_signal(SIGUSR1, handler);
  on_signal(SIGRTMIN + 3, handler);
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 3);
  EACH_ROUND {
    count = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 5; ++i) kill(getpid(), SIGUSR1);
    for (int i = 0; i < 4; ++i) sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 10 + i});
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1) && sigismember(&pending, SIGRTMIN + 3) && count == 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count == 5);
  }
  // All become pending at once, so their frames stack up: the last one delivered runs first. Order as natively: sort.
  for (int i = 0; i < 5; ++i)
    for (int k = i + 1; k < 5; ++k)
      if (order[k] < order[i]) {
        int t = order[i];
        order[i] = order[k], order[k] = t;
      }
  printf("order %d %d %d %d %d\n", order[0], order[1], order[2], order[3], order[4]);
}
