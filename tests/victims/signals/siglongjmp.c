// Handlers that never return: siglongjmp out of them, from raise, a fault, and a timer in a loop.
// EXPECT: jumps ok
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static void handler(int signal, siginfo_t* info, void* context) { siglongjmp(back, signal); }
int main(void) {
  on_signal(SIGUSR1, handler);
  on_signal(SIGSEGV, handler);
  on_signal(SIGALRM, handler);
  volatile int usr = 0, segv = 0, alarm_ = 0;
  for (volatile int i = 0; i < 100; ++i) {
    int got = sigsetjmp(back, 1);
    if (got == SIGUSR1) {
      ++usr;
      *(volatile int*)16 = 1;
    } else if (got == SIGSEGV) {
      ++segv;
    } else {
      raise(SIGUSR1);
    }
  }
  CHECK(usr == 100 && segv == 100);
  for (volatile int i = 0; i < 5; ++i) {
    if (sigsetjmp(back, 1) == 0) {
      struct itimerval value = {{0, 0}, {0, 3000}};
      setitimer(ITIMER_REAL, &value, NULL);
      for (volatile long n = 0;; ++n) {}
    }
    ++alarm_;
  }
  CHECK(alarm_ == 5);
  puts("jumps ok");
}
