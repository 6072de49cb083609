// Blocks of no bytes, kept and lost.
#include <stdlib.h>

void* kept[2];

int main(void) {
  kept[0] = malloc(0);
  kept[1] = calloc(0, 8);
  for (int i = 0; i < 3; ++i) {
    void* volatile lost = malloc(0);
    lost = NULL;
    (void)lost;
  }
  return 0;
}
