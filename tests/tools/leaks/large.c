// Blocks with a mapping of their own: with pointers far inside, untouched, and lost.
#include <stdlib.h>
#include <string.h>

void** kept;

int main(void) {
  kept = malloc(8 << 20);
  memset(kept, 0, 8 << 20);
  kept[900000] = memset(malloc(300000), 1, 300000);
  kept[5] = calloc(1, 16 << 20);
  memset(malloc(400000), 1, 400000);
  void** lost = malloc(500000);
  memset(lost, 0, 500000);
  lost[60000] = memset(malloc(25), 1, 25);
  lost = NULL;
  return lost != NULL;
}
