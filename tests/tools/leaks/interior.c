// Pointers into blocks: to the second byte, to the last, and past the end.
#include <stdlib.h>
#include <string.h>

char *second, *last, *past;

int main(void) {
  second = memset(malloc(24), 1, 24);
  second += 1;
  last = memset(malloc(33), 1, 33);
  last += 32;
  past = memset(malloc(64), 1, 64);
  past += 64;
  return 0;
}
