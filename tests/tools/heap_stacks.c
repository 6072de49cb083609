/* Stacks that grow without an allocation on the way, in two threads, and blocks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) int dig(int depth) {
  volatile char room[1000];
  memset((char*)room, depth, sizeof room);
  return depth == 0 ? room[7] : dig(depth - 1) + room[depth % 1000];
}

static void* work(void* unused) {
  void* block = malloc(3000);
  int sum = dig(200);
  free(block);
  return sum == 1 ? block : unused;
}

int main(void) {
  pthread_t thread;
  void* block = memset(malloc(20000), 1, 20000);
  int sum = dig(500);
  void* more = memset(malloc(10000), 1, 10000);
  pthread_create(&thread, NULL, work, NULL);
  pthread_join(thread, NULL);
  printf("done %d %d\n", sum != 1, *(char*)block + *(char*)more);
  free(block);
  free(more);
    return 0;
}
