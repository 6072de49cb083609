// Switched at the bottom of 20,000 calls, and again on the way up.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: returned 20000 times 6
#include "toggle.h"
static volatile int on = 1;
static long __attribute__((noinline)) descend(long n) {
  if (n == 0) {
    on = !on;
    toggle(on);
    return 0;
  }
  long r = descend(n - 1) + 1;
  if (n % 7000 == 0) {
    on = !on;
    toggle(on);
  }
  return r;
}
int main(void) {
  toggle_open();
  int times = 0;
  long r = 0;
  for (; times < 6; ++times) {
    r = descend(20000);
    CHECK(r == 20000);
  }
  printf("returned %ld times %d\n", r, times);
}
