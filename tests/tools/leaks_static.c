// Loses one block and one that is pointed into, and keeps one; a static program shall show that and nothing else.
#include <stdlib.h>
#include <string.h>

char *kept, *inside;

__attribute__((noinline)) static char* make(size_t size) {
  return memset(malloc(size), 1, size);
}

int main(void) {
  kept = make(30);
  inside = make(40) + 5;
  char* lost = make(50);
  lost = NULL;
  for (int i = 0; i < 200; ++i) free(make(24 + i * 16));  // free blocks lie beside the live ones
  return lost != NULL;
}
