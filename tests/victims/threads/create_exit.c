// 2,000 threads are born and end, four at a time: contexts are used again.
// EXPECT: threads 2000
// TIMEOUT: 60
#include "../victim.h"
static int ran;
static void* work(void* unused) {
  __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
int main(void) {
  for (int i = 0; i < 500; ++i) {
    pthread_t threads[4];
    for (int k = 0; k < 4; ++k) CHECK(pthread_create(&threads[k], NULL, work, NULL) == 0);
    for (int k = 0; k < 4; ++k) pthread_join(threads[k], NULL);
  }
  printf("threads %d\n", ran);
}
