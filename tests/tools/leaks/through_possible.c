// What a possibly lost block points to is possibly lost, unless something reachable points to it, too.
#include <stdlib.h>

char* middle;
void* direct;

int main(void) {
  void** owner = calloc(1, 80);
  owner[0] = calloc(1, 20);
  owner[1] = calloc(1, 30);
  owner[2] = (char*)calloc(1, 40) + 3;
  direct = owner[1];
  middle = (char*)owner + 40;
  owner = NULL;
  return owner != NULL;
}
