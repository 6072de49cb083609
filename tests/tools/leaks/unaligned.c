// A pointer that does not lie at a multiple of eight is none.
#include <stdlib.h>
#include <string.h>

char storage[64] __attribute__((aligned(16)));

int main(void) {
  void* block = memset(malloc(40), 1, 40);
  memcpy(storage + 4, &block, sizeof block);
  block = memset(malloc(50), 1, 50);
  memcpy(storage + 24, &block, sizeof block);
  block = NULL;
  return 0;
}
