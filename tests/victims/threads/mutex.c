// Eight threads with a mutex, a condition variable, a spin lock and atomics: no count is lost.
// EXPECT: mutex 80000 atomic 80000 spin 80000
#include "../victim.h"
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static long locked, atomic, spun;
static void* work(void* unused) {
  for (int i = 0; i < 10000; ++i) {
    pthread_mutex_lock(&mutex);
    ++locked;
    pthread_mutex_unlock(&mutex);
    __atomic_add_fetch(&atomic, 1, __ATOMIC_RELAXED);
    pthread_spin_lock(&spin);
    ++spun;
    pthread_spin_unlock(&spin);
  }
  return NULL;
}
int main(void) {
  pthread_spin_init(&spin, 0);
  EACH_ROUND {
    pthread_t threads[8];
    locked = atomic = spun = 0;
    for (int i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  }
  printf("mutex %ld atomic %ld spin %ld\n", locked, atomic, spun);
}
