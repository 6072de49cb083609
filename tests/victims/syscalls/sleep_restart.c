// nanosleep interrupted by a stop and a continue of the process sleeps its full time (restart_syscall).
// EXPECT: slept in full
#include "../victim.h"
int main(void) {
  pid_t self = getpid();
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 3; ++i) {
      usleep(20000);
      kill(self, SIGSTOP);
      usleep(5000);
      kill(self, SIGCONT);
    }
    _exit(0);
  }
  struct timespec start, end, wait_time = {0, 150000000};
  clock_gettime(CLOCK_MONOTONIC, &start);
  CHECK(nanosleep(&wait_time, NULL) == 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  double ms = (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6;
  CHECK(ms >= 149.5);
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  puts("slept in full");
}
