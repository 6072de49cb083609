// Two threads hand a token to and fro through a condition variable, a semaphore and a barrier.
// EXPECT: handed 2000
#include "../victim.h"
#include <semaphore.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static int turn, handed;
static void* player(void* argument) {
  int me = (int)(long)argument;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 1000; ++i) {
    pthread_mutex_lock(&mutex);
    while (turn != me) pthread_cond_wait(&condition, &mutex);
    turn = !me;
    ++handed;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
  }
  sem_post(&semaphore);
  return NULL;
}
int main(void) {
  pthread_t threads[2];
  pthread_barrier_init(&barrier, NULL, 2);
  sem_init(&semaphore, 0, 0);
  for (long i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, player, (void*)i);
  sem_wait(&semaphore);
  sem_wait(&semaphore);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  printf("handed %d\n", handed);
}
