// Switched inside handlers: frames built in one mode are returned through in the other.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: handlers 40 sum 4999950000
#include "toggle.h"
static volatile int handlers, on = 1;
static void inner(int signal, siginfo_t* info, void* context) {
  on = !on;
  toggle(on);
  ++handlers;
}
static void outer(int signal, siginfo_t* info, void* context) {
  raise(SIGUSR2);
  on = !on;
  toggle(on);
  raise(SIGUSR2);
  ++handlers;
  CHECK(!in_arena((uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP]));
}
int main(void) {
  toggle_open();
  on_signal(SIGUSR1, outer);
  on_signal(SIGUSR2, inner);
  volatile long sum = 0;
  for (long i = 0; i < 100000; ++i) {
    sum += i;
    if (i % 5000 == 0 && handlers < 40) raise(handlers % 4 == 3 ? SIGUSR2 : SIGUSR1);
    while (handlers > 40) --handlers;
  }
  printf("handlers %d sum %ld\n", handlers, sum);
}
