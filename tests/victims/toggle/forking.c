// Switched while another thread forks children that compute, and while those are still there.
// RUN: none --trace-children=yes
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: children right
#include "toggle.h"
static volatile int stop;
static void* forks(void* unused) {
  int made = 0;
  while (!stop || made < 3) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      volatile long sum = 0;
      for (int i = 0; i < 20000; ++i) sum += i;
      if (made % 8 == 7) execl("/bin/sh", "sh", "-c", "exit 5", NULL);
      _exit(sum == 199990000 ? 5 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5);
    ++made;
  }
  return NULL;
}
int main(void) {
  toggle_open();
  pthread_t thread;
  pthread_create(&thread, NULL, forks, NULL);
  for (int i = 0; i < 60; ++i) {
    toggle(i % 2);
    usleep(500);
  }
  stop = 1;
  pthread_join(thread, NULL);
  puts("children right");
}
