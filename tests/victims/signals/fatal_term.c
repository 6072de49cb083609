// SIGTERM to oneself, from a second thread.
// EXPECT: terminating
// EXIT: SIGTERM
#include "../victim.h"
static void* killer(void* unused) {
  usleep(20000);
  kill(getpid(), SIGTERM);
  return NULL;
}
int main(void) {
  puts("terminating");
  fflush(stdout);
  pthread_t thread;
  pthread_create(&thread, NULL, killer, NULL);
  for (;;) sched_yield();
}
