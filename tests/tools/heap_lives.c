/* Blocks of four threads at once, and blocks that live for a tenth of a second. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { kThreads = 4, kRounds = 20000 };

static __attribute__((noinline)) void* hammer(int round) { return malloc(16 + round % 100); }

static void* thread(void* unused) {
  void* kept[8] = {0};
  for (int i = 0; i < kRounds; ++i) {
    free(kept[i % 8]);
    kept[i % 8] = hammer(i);
  }
  for (int i = 0; i < 8; ++i) free(kept[i]);
  return unused;
}

static __attribute__((noinline)) void* hold(void) { return malloc(100000); }
static __attribute__((noinline)) void* keep(void) { return malloc(50); }

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, thread, NULL);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  void* held[3] = {hold(), hold(), hold()};
  void* volatile kept = keep();
  struct timespec tenth = {0, 100000000};
  nanosleep(&tenth, NULL);
  for (int i = 0; i < 3; ++i) free(held[i]);
  return kept == NULL;
}
