// One function called from many places, through ever deeper stacks: loss records by their stacks.
#include <stdlib.h>
#include <string.h>

static void lose(int size) {
  memset(malloc((size_t)size), 1, (size_t)size);
}
static void deeper(int depth, int size) {
  if (depth == 0) {
    lose(size);
  } else {
    deeper(depth - 1, size);
  }
}

int main(void) {
  lose(5);
  lose(5);
  for (int i = 0; i < 20; ++i) deeper(i, 8);
  for (int i = 0; i < 3; ++i) lose(6);
  return 0;
}
