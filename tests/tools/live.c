// Programs to look at while they run: live KIND. `work(n)` costs the same for the same n.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) long work(int n) {
  volatile long sum = 0;
  for (int i = 0; i < n; ++i) sum += i;
  return sum;
}

__attribute__((noinline)) void deep(int levels) {
  char c;
  if (levels > 0) {
    deep(levels - 1);
    work(100 * levels);
    return;
  }
  work(1000);
  puts("deep");
  fflush(stdout);
  read(0, &c, 1);
  work(2000);
}

static void* one_thread(void* unused) {
  work(30000);
  work(10000);
  return NULL;
}

// Threads are born and die all the time.
static void threads(int rounds) {
  pthread_t born[4];
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 4; ++i) pthread_create(&born[i], NULL, one_thread, NULL);
    for (int i = 0; i < 4; ++i) pthread_join(born[i], NULL);
  }
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "blocked") == 0) deep(5);
  if (argc > 1 && strcmp(argv[1], "threads") == 0) threads(argc > 2 ? atoi(argv[2]) : 400);
  if (argc > 1 && strcmp(argv[1], "spin") == 0)
    for (;;) work(1000);
  puts("live done");
  return 0;
}
