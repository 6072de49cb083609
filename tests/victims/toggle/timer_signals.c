// A timer after each 300 us, and a switch each millisecond: handlers meet every moment of a move.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: signals and switches ok
#include "toggle.h"
static volatile int ticks, stop;
// Anew after each signal: however slow its delivery is, the program goes on in between.
static void arm(void) {
  struct itimerval value = {{0, 0}, {0, 300}};
  setitimer(ITIMER_REAL, &value, NULL);
}
static void handler(int signal, siginfo_t* info, void* context) {
  CHECK(!in_arena((uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP]));
  ++ticks;
  arm();
}
static void* work(void* unused) {
  while (!stop) {
    volatile long sum = 0;
    for (int i = 0; i < 1000; ++i) sum += i;
    CHECK(sum == 499500);
    getppid();
  }
  return NULL;
}
int main(void) {
  toggle_open();
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, work, NULL);
  arm();
  for (int i = 0; i < 100; ++i) {
    toggle(i % 2);
    struct timespec brief = {0, 1000000};
    nanosleep(&brief, NULL);
  }
  stop = 1;
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  CHECK(ticks > 20);
  puts("signals and switches ok");
}
