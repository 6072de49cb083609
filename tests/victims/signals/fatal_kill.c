// SIGKILL to oneself with other threads running.
// EXPECT: killing
// EXIT: SIGKILL
#include "../victim.h"
static void* spin(void* unused) {
  for (;;) sched_yield();
}
int main(void) {
  puts("killing");
  fflush(stdout);
  pthread_t thread;
  for (int i = 0; i < 3; ++i) pthread_create(&thread, NULL, spin, NULL);
  usleep(20000);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}
