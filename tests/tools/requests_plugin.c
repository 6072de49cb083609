// A module that is loaded late and switches instrumentation on for its own part.
#include <valgrind/callgrind.h>

__attribute__((noinline)) long work(int n) {
  volatile long sum = 0;
  for (int i = 0; i < n; ++i) sum += i;
  return sum;
}

void measured(void) {
  work(1000);
  CALLGRIND_START_INSTRUMENTATION;
  work(1000);
  CALLGRIND_STOP_INSTRUMENTATION;
  work(1000);
}
