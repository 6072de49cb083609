// Eight threads allocate, grow and free at the same time, from normal and from exiting threads; no block
// is written over by another.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: 8 threads, nothing lost
#include "../victim.h"
enum { kThreads = 8, kRounds = 20000, kBlocks = 64 };
static void* work(void* argument) {
  unsigned x = (unsigned)(uintptr_t)argument * 7919 + 1;
  unsigned char* blocks[kBlocks] = {0};
  size_t sizes[kBlocks] = {0};
  for (int i = 0; i < kRounds; ++i) {
    x = x * 1103515245 + 12345;
    int k = (x >> 16) % kBlocks;
    size_t size = (x >> 8) % 700 + 1;
    if (blocks[k] != NULL) CHECK(blocks[k][0] == (unsigned char)k && blocks[k][sizes[k] - 1] == (unsigned char)k);
    if ((x >> 20) % 3 == 0) {
      blocks[k] = realloc(blocks[k], size);
    } else {
      free(blocks[k]);
      blocks[k] = (x >> 22) % 2 ? malloc(size) : calloc(1, size);
    }
    CHECK(blocks[k] != NULL && ((uintptr_t)blocks[k] & 15) == 0);
    memset(blocks[k], k, size);
    sizes[k] = size;
  }
  for (int k = 0; k < kBlocks; ++k) free(blocks[k]);
  return NULL;
}
int main(void) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i) CHECK(pthread_create(&threads[i], NULL, work, (void*)i) == 0);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  puts("8 threads, nothing lost");
}
