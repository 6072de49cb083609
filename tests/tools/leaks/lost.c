// Blocks whose only pointer was in a frame that has gone, from two places.
#include <stdlib.h>
#include <string.h>

static void lose(size_t size) {
  char* block = malloc(size);
  memset(block, 1, size);
}

int main(void) {
  for (int i = 1; i <= 3; ++i) lose(10 * i);
  lose(100);
  return 0;
}
