// A robust mutex whose owner ends: the kernel's list of them is honoured.
// EXPECT: owner died 20
#include "../victim.h"
static pthread_mutex_t mutex;
static void* work(void* unused) {
  pthread_mutex_lock(&mutex);
  return NULL;
}
int main(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  int died = 0;
  for (int i = 0; i < 20; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
    if (pthread_mutex_lock(&mutex) == EOWNERDEAD) {
      ++died;
      pthread_mutex_consistent(&mutex);
    }
    pthread_mutex_unlock(&mutex);
  }
  printf("owner died %d\n", died);
}
