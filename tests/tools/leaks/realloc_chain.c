// Blocks that grow and shrink, in place and not; what remains counts with its last size and place.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

static void* grow(void* block, size_t size) {
  return memset(realloc(block, size), 1, size);
}
char* kept;

int main(void) {
  char* block = malloc(10);
  for (size_t size = 20; size < 100000; size = size * 3 / 2) block = grow(block, size);
  kept = grow(malloc(1000), 10);
  char* freed = grow(malloc(30), 40);
  freed = realloc(freed, 0);
  // A product that overflows is no size: the block stays as it is.
  static char* left;
  left = malloc(50);
  if (reallocarray(left, (size_t)1 << 40, (size_t)1 << 40) != NULL) return 2;
  block = NULL;
  return freed != NULL || block != NULL;
}
