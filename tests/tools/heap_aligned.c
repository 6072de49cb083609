/* Every allocation function of C; the peak is when all blocks live. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  void* blocks[9];
  blocks[0] = malloc(11);
  blocks[1] = calloc(3, 7);
  blocks[2] = realloc(NULL, 55);
  blocks[3] = reallocarray(NULL, 5, 1001);
  blocks[4] = memalign(64, 1000);
  blocks[5] = aligned_alloc(256, 4096);
  if (posix_memalign(&blocks[6], 128, 333) != 0) abort();
  blocks[7] = valloc(100);
  blocks[8] = realloc(blocks[0], 3000);
  for (int i = 1; i < 9; ++i) free(blocks[i]);
  puts("done");
  return 0;
}
