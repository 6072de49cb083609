// Waits with a timeout end when they should: epoll_wait, poll, select, nanosleep, futex, clock_nanosleep.
// EXPECT: timeouts ok
#include "../victim.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
#define TIMED(call)                                           \
  do {                                                        \
    double start = now_ms();                                  \
    CHECK(call);                                              \
    double took = now_ms() - start;                           \
    if (took < 29.5 || took > 2000) printf("%s took %.1f ms\n", #call, took); \
  } while (0)
int main(void) {
  struct epoll_event event;
  int epoll = epoll_create1(0), word = 0;
  struct timespec wait_time = {0, 30000000};
  struct timeval tv = {0, 30000};
  TIMED(epoll_wait(epoll, &event, 1, 30) == 0);
  TIMED(poll(NULL, 0, 30) == 0);
  TIMED(select(0, NULL, NULL, NULL, &tv) == 0);
  TIMED(nanosleep(&wait_time, NULL) == 0);
  TIMED(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL) == 0);
  TIMED(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &wait_time) == -1 && errno == ETIMEDOUT);
  puts("timeouts ok");
}
