/* Blocks of many sizes from a few places, shrinking and growing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) void* make(size_t size) {
  void* block = malloc(size);
  memset(block, 1, size);
  return block;
}
static __attribute__((noinline)) void* make_more(size_t size) {
  return make(size * 2);
}
static __attribute__((noinline)) void* deep(int depth, size_t size) {
  void* block = depth == 0 ? make(size) : deep(depth - 1, size);
  *(char*)block = 2;
  return block;
}

static void steps(void) {
  void* blocks[300];
  for (int i = 0; i < 100; ++i) blocks[i] = i % 2 ? make(100 + i) : make_more(200 + i);
  for (int i = 0; i < 50; ++i) free(blocks[i]);
  for (int i = 0; i < 50; ++i) blocks[i] = deep(i, 64);
  for (int i = 0; i < 100; ++i) free(blocks[i]);
}

static void reallocs(void) {
  char* block = calloc(10, 100);
  for (int i = 1; i < 40; ++i) block = realloc(block, 1000 + 500 * i);
  block = realloc(block, 300);
  block = realloc(block, 16000);
  block = realloc(block, 40000);
  free(block);
  block = realloc(NULL, 77);
  block = reallocarray(block, 7, 1001);
  free(block);
}

int main(void) {
  steps();
  reallocs();
  for (int round = 0; round < 5; ++round) {
    void* blocks[400];
    for (int i = 0; i < 400; ++i) blocks[i] = make_more(1 + i * 3 * (round + 1));
    for (int i = 0; i < 400; ++i) free(blocks[i]);
  }
  free(NULL);
  puts("done");
  return 0;
}
