// Detached threads that outlive their creator's interest, with timers and locks of their own.
// EXPECT: detached 300
#include "../victim.h"
static int done;
static void* work(void* unused) {
  struct timespec brief = {0, 100000};
  nanosleep(&brief, NULL);
  __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
int main(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 300; ++i) {
    pthread_t thread;
    CHECK(pthread_create(&thread, &attributes, work, NULL) == 0);
    if (i % 20 == 0) usleep(500);
  }
  while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < 300) usleep(1000);
  printf("detached %d\n", done);
}
