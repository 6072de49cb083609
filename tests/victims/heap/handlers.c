// Signal handlers allocate while the program waits, on the ordinary and on an alternate stack; a timer hits the
// program's own allocations a hundred times.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: handlers allocated
#include "../victim.h"
static volatile int ticks, blocks;
static void count(int signal) {
  ++ticks;
}
static void allocate(int signal) {
  char* block = malloc(200);
  memset(block, 1, 200);
  free(block);
  ++blocks;
}
int main(void) {
  static char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  signal(SIGALRM, count);
  struct sigaction action = {.sa_handler = allocate};
  sigaction(SIGUSR1, &action, NULL);
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR2, &action, NULL);
  for (int i = 0; i < 100; ++i) {
    raise(SIGUSR1);
    raise(SIGUSR2);
  }
  struct itimerval timer = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
  while (ticks < 100) {
    void* block = malloc(100 + ticks);
    free(block);
  }
  timer.it_value.tv_usec = timer.it_interval.tv_usec = 0;
  setitimer(ITIMER_REAL, &timer, NULL);
  CHECK(blocks == 200);
  puts("handlers allocated");
}
