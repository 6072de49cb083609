// Switched while threads are born and die all the time.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: threads ok
#include "toggle.h"
static volatile int stop;
static int born, ended;
static void* brief(void* argument) {
  volatile long sum = 0;
  for (int i = 0; i < 100; ++i) sum += i;
  CHECK(sum == 4950);
  __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static void* creator(void* unused) {
  do {  // at least once: on a busy machine it may be over before this thread runs
    pthread_t threads[3];
    for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, brief, NULL) == 0);
    __atomic_add_fetch(&born, 3, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  } while (!stop);
  return NULL;
}
int main(void) {
  toggle_open();
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, creator, NULL);
  for (int i = 0; i < 60; ++i) {
    toggle(i % 2);
    usleep(300);
  }
  stop = 1;
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  CHECK(born == ended && born > 0);
  puts("threads ok");
}
