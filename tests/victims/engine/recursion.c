// Deep and wide recursion: more calls outstanding than any return stack holds.
// EXPECT: depth 50000 fib 75025 ackermann 125
#include "../victim.h"
static long __attribute__((noinline)) depth(long n) { return n == 0 ? 0 : 1 + depth(n - 1) + (n & 0); }
static long __attribute__((noinline)) fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static long __attribute__((noinline)) ackermann(long m, long n) {
  return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}
int main(void) {
  volatile long n = 50000;
  printf("depth %ld fib %ld ackermann %ld\n", depth(n), fib(25), ackermann(3, 4));
}
