// pthread_cancel of a thread blocked in read, in a condition wait and in a computing loop; clean-up handlers run.
// EXPECT: cancelled 3 cleaned 3
#include "../victim.h"
static int pipes[2], cleaned;
static void clean(void* unused) { __atomic_add_fetch(&cleaned, 1, __ATOMIC_SEQ_CST); }
static void* work(void* argument) {
  pthread_cleanup_push(clean, NULL);
  if ((long)argument == 0) {
    char c;
    read(pipes[0], &c, 1);
  } else if ((long)argument == 1) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&mutex);
    for (;;) pthread_cond_wait(&condition, &mutex);
  } else {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (volatile long i = 0;; ++i) {}
  }
  pthread_cleanup_pop(0);
  return NULL;
}
int main(void) {
  CHECK(pipe(pipes) == 0);
  int cancelled = 0;
  EACH_ROUND {
    pthread_t threads[3];
    cancelled = cleaned = 0;
    for (long i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
    usleep(5000);
    for (int i = 0; i < 3; ++i) pthread_cancel(threads[i]);
    for (int i = 0; i < 3; ++i) {
      void* result;
      pthread_join(threads[i], &result);
      cancelled += result == PTHREAD_CANCELED;
    }
  }
  printf("cancelled %d cleaned %d\n", cancelled, cleaned);
}
