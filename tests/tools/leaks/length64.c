// A pointer behind a length of eight bytes, as sqlite's allocator keeps it, right and wrong.
#include <stdint.h>
#include <stdlib.h>

char *right, *wrong;

int main(void) {
  uint64_t* block = calloc(1, 8 + 100);
  *block = 100;
  right = (char*)(block + 1);
  block = calloc(1, 8 + 101);
  *block = 7777;
  wrong = (char*)(block + 1);
  block = NULL;
  return 0;
}
