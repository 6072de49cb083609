// The vdso's code is ordinary code.
// EXPECT: clocks ok
#include "../victim.h"
int main(void) {
  struct timespec last = {0, 0}, now;
  for (int i = 0; i < 100000; ++i) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    CHECK(now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec));
    last = now;
  }
  struct timeval tv;
  CHECK(gettimeofday(&tv, NULL) == 0 && labs(tv.tv_sec - time(NULL)) <= 1 && sched_getcpu() >= 0);
  puts("clocks ok");
}
