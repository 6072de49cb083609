// Aligned blocks, kept and lost.
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void* kept[4];

int main(void) {
  kept[0] = memalign(64, 100);
  if (posix_memalign(&kept[1], 4096, 200) != 0) return 1;
  kept[2] = valloc(300);
  memset(memalign(256, 400), 1, 400);
  void* lost;
  if (posix_memalign(&lost, 128, 500) != 0) return 1;
  memset(lost, 1, 500);
  lost = NULL;
  return 0;
}
