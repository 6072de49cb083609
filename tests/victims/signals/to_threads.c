// pthread_kill and tgkill reach the thread they name, with its own stack and TLS.
// EXPECT: delivered 800
#include "../victim.h"
static __thread volatile int mine;
static int total;
static void handler(int signal, siginfo_t* info, void* context) {
  ++mine;
  CHECK(info->si_code == SI_TKILL && info->si_pid == getpid());
}
static volatile int stop;
static void* work(void* unused) {
  while (!stop) {
    for (volatile int i = 0; i < 1000; ++i) {}
    if (mine % 3 == 0) sched_yield();
  }
  __atomic_add_fetch(&total, mine, __ATOMIC_SEQ_CST);
  return NULL;
}
int main(void) {
  on_signal(SIGRTMIN + 1, handler);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < 200; ++i) {
    for (int k = 0; k < 4; ++k) CHECK(pthread_kill(threads[k], SIGRTMIN + 1) == 0);
    usleep(100);
  }
  usleep(20000);
  stop = 1;
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  printf("delivered %d\n", total);
}
