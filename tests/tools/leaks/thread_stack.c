// The stack of a thread that still runs at the end has the only pointer.
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sem_t ready;

static void* run(void* unused) {
  char* volatile held = malloc(100);
  memset(held, 1, 100);
  sem_post(&ready);
  for (;;) pause();
  return unused;
}

int main(void) {
  pthread_t thread;
  sem_init(&ready, 0, 0);
  pthread_create(&thread, NULL, run, NULL);
  sem_wait(&ready);
  usleep(50000);
  return 0;
}
