// setuid and setgid in a process with threads use a signal to each thread (SIGSETXID); they end as natively.
// EXPECT: ids ok
#include "../victim.h"
static volatile int stop;
static void* work(void* argument) {
  while (!stop) {
    if ((long)argument) usleep(500);
  }
  return NULL;
}
int main(void) {
  pthread_t threads[3];
  for (long i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
  EACH_ROUND {
    for (int i = 0; i < 20; ++i) CHECK(setresgid((gid_t)-1, getgid(), (gid_t)-1) == 0 && setresuid((uid_t)-1, getuid(), (uid_t)-1) == 0);
  }
  stop = 1;
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  puts("ids ok");
}
