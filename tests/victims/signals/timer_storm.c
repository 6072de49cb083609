// An interval timer each 200 us over a computation: no signal and no register is lost or doubled.
// EXPECT: sum 1249999975000000 timer came
#include "../victim.h"
static volatile int ticks;
static void handler(int signal, siginfo_t* info, void* context) {
  ++ticks;
  volatile double x = ticks;
  x = x * 3.5 + 1;
}
int main(void) {
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  struct itimerval value = {{0, 200}, {0, 200}};
  setitimer(ITIMER_REAL, &value, NULL);
  long sum = 0;
  do {
    sum = 0;
    for (long i = 0; i < 50000000; ++i) {
      sum += i;
      __asm__ volatile("" : "+r"(sum));
    }
  } while (elapsed_ms() < 50);
  memset(&value, 0, sizeof value);
  setitimer(ITIMER_REAL, &value, NULL);
  printf("sum %ld %s\n", sum, ticks > 10 ? "timer came" : "timer missing");
}
