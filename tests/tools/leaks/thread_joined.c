// Threads that have ended: what they returned is kept, what they had on their stacks is lost.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void* results[4];

static void* run(void* number) {
  char* lost = malloc(50);
  memset(lost, 1, 50);
  char* result = malloc(60 + (size_t)number);
  memset(result, 1, 60);
  return result;
}

int main(void) {
  for (size_t i = 0; i < 4; ++i) {
    pthread_t thread;
    pthread_create(&thread, NULL, run, (void*)i);
    pthread_join(thread, &results[i]);
  }
  return 0;
}
