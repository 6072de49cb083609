// Blocks of threads' own arenas, kept by a global, by each other, and lost.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void** kept;

static void* run(void* unused) {
  void** head = calloc(1, 24);
  for (int i = 0; i < 100; ++i) {
    void** block = calloc(1, 200);
    block[0] = head;
    head = block;
  }
  kept = head;
  for (int i = 0; i < 10; ++i) memset(malloc(70), 1, 70);
  return unused;
}

int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, run, NULL);
  pthread_join(thread, NULL);
  return 0;
}
