// The layout of strings that count references: length, capacity, count, characters.
#include <stddef.h>
#include <stdlib.h>

char *text, *broken;

static char* make(size_t length, size_t capacity, size_t size) {
  size_t* block = calloc(1, size);
  block[0] = length;
  block[1] = capacity;
  return (char*)(block + 3);
}

int main(void) {
  text = make(5, 20, 24 + 20 + 1);
  broken = make(25, 20, 24 + 20 + 1);
  return 0;
}
