// exit() while six threads compute and block.
// EXPECT: leaving with 6 threads
// EXIT: 3
#include "../victim.h"
static int pipes[2];
static void* work(void* argument) {
  if ((long)argument % 2) {
    char c;
    read(pipes[0], &c, 1);
  }
  for (volatile long i = 0;; ++i) {}
}
int main(void) {
  CHECK(pipe(pipes) == 0);
  pthread_t thread;
  for (long i = 0; i < 6; ++i) pthread_create(&thread, NULL, work, (void*)i);
  usleep(50000);
  puts("leaving with 6 threads");
  exit(3);
}
