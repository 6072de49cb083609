// A timer after each 200 us over a computation: no signal and no register is lost or doubled.
// EXPECT: sum 12499997500000 timer came
#include "../victim.h"
static volatile int ticks;
// Anew after each signal: however slow its delivery is, the program goes on in between.
static void arm(void) {
  struct itimerval value = {{0, 0}, {0, 200}};
  setitimer(ITIMER_REAL, &value, NULL);
}
static void handler(int signal, siginfo_t* info, void* context) {
  ++ticks;
  volatile double x = ticks;
  x = x * 3.5 + 1;
  arm();
}
int main(void) {
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  arm();
  long sum = 0;
  do {
    sum = 0;
    for (long i = 0; i < 5000000; ++i) {
      sum += i;
      __asm__ volatile("" : "+r"(sum));
    }
  } while (elapsed_ms() < 50);
  signal(SIGALRM, SIG_IGN);
  printf("sum %ld %s\n", sum, ticks > 10 ? "timer came" : "timer missing");
}
