// Blocks that globals of all sorts still point to.
#include <stdlib.h>

char* initialised = "x";
static char* zeroed;
char* array[10];

int main(void) {
  static char* local;
  initialised = malloc(11);
  zeroed = calloc(3, 4);
  array[7] = malloc(13);
  local = malloc(14);
  return local == NULL;
}
