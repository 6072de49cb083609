// Pointers that the program keeps in disguise: it alone could find its blocks.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

uintptr_t masked, tagged;

int main(void) {
  char* block = memset(malloc(90), 1, 90);
  masked = (uintptr_t)block ^ 0x5555555555555555;
  block = memset(malloc(91), 1, 91);
  tagged = (uintptr_t)block | 1;
  block = NULL;
  return block != NULL;
}
