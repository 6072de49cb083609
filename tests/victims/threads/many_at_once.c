// 200 threads alive at once, each blocked, then all released.
// EXPECT: released 200
#include "../victim.h"
static pthread_barrier_t barrier;
static int released;
static void* work(void* unused) {
  pthread_barrier_wait(&barrier);
  __atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
int main(void) {
  pthread_barrier_init(&barrier, NULL, 201);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  pthread_t threads[200];
  for (int i = 0; i < 200; ++i) CHECK(pthread_create(&threads[i], &attributes, work, NULL) == 0);
  usleep(20000);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 200; ++i) pthread_join(threads[i], NULL);
  printf("released %d\n", released);
}
