// Thread-local pointers of the first thread, of one that still runs and of one that has ended.
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread char* mine;
static sem_t ready;

static void* stay(void* unused) {
  mine = memset(malloc(200), 1, 200);
  sem_post(&ready);
  for (;;) pause();
  return unused;
}

static void* end(void* unused) {
  mine = memset(malloc(300), 1, 300);
  return unused;
}

int main(void) {
  pthread_t thread;
  mine = memset(malloc(100), 1, 100);
  sem_init(&ready, 0, 0);
  pthread_create(&thread, NULL, end, NULL);
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, stay, NULL);
  sem_wait(&ready);
  usleep(50000);
  return 0;
}
