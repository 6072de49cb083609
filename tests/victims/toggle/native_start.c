// Starts native, is switched on in the middle of a computation, and off again.
// RUN: none --instr-atstart=no
// MODES: default, one-instruction, no-link, tiny-cache, toggle
// EXPECT: fib 75025 75025 75025
#include "toggle.h"
static long __attribute__((noinline)) fib(long n) {
  if (n == 13) {
    static int turns;
    if (turns++ % 50 == 0) toggle(turns / 50 % 2);
  }
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
int main(void) {
  toggle_open();
  long a = fib(25);
  toggle(1);
  long b = fib(25);
  toggle(0);
  printf("fib %ld %ld %ld\n", a, b, fib(25));
}
