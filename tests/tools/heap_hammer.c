// Eight threads allocate, change and free blocks at the same time, and pass some to each other to free; says what there
// was and what is left: blocks made, bytes made, blocks left, bytes left.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kThreads = 8, kRounds = 20000, kBlocks = 64, kShared = 256 };

struct Block {
  size_t size;
  char rest[];
};

static _Atomic(struct Block*) shared[kShared];
static atomic_ulong made, made_bytes, left, left_bytes;

static void count(size_t size) {
  made += 1;
  made_bytes += size;
  left += 1;
  left_bytes += size;
}

static void uncount(size_t size) {
  left -= 1;
  left_bytes -= size;
}

static struct Block* make(size_t size, int zeroed) {
  struct Block* block = zeroed ? calloc(1, size) : malloc(size);
  block->size = size;
  count(size);
  return block;
}

static void drop(struct Block* block) {
  if (block == NULL) return;
  uncount(block->size);
  free(block);
}

static void* hammer(void* argument) {
  unsigned x = (unsigned)(uintptr_t)argument * 7919 + 1;
  struct Block* blocks[kBlocks] = {0};
  for (int i = 0; i < kRounds; ++i) {
    x = x * 1103515245 + 12345;
    const int k = (x >> 16) % kBlocks;
    const size_t size = (x >> 8) % 700 + sizeof(struct Block);
    switch ((x >> 22) % 4) {
      case 0:
        drop(atomic_exchange(&shared[(x >> 3) % kShared], blocks[k]));
        blocks[k] = NULL;
        break;
      case 1:
        if (blocks[k] != NULL) {
          uncount(blocks[k]->size);
          blocks[k] = realloc(blocks[k], size);
          blocks[k]->size = size;
          count(size);
          break;
        }  // fall through
      default:
        drop(blocks[k]);
        blocks[k] = make(size, x >> 31);
    }
  }
  for (int k = 0; k < kBlocks; ++k) drop(blocks[k]);
  return NULL;
}

int main(void) {
  pthread_t threads[kThreads];
  for (uintptr_t i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, hammer, (void*)i);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  printf("%lu %lu %lu %lu\n", made, made_bytes, left, left_bytes);
  return 0;
}
