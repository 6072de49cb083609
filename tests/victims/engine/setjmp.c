// longjmp out of deep calls, and back into a frame many times.
// EXPECT: jumps 20000
#include "../victim.h"
#include <setjmp.h>
static jmp_buf target;
static void __attribute__((noinline)) deep(int n, int value) {
  volatile char pad[64];
  pad[0] = (char)n;
  if (n == 0) longjmp(target, value);
  deep(n - 1, value);
  pad[1] = pad[0];
}
int main(void) {
  volatile int jumps = 0;
  int value = setjmp(target);
  CHECK(value == jumps);
  if (jumps < 20000) {
    ++jumps;
    deep(jumps % 40, jumps);
  }
  printf("jumps %d\n", jumps);
}
