// Lost blocks that share what they point to, and leaders that later ones point to.
#include <stdlib.h>

static void build(void) {
  void **shared = calloc(1, 16), **a = calloc(1, 32), **b = calloc(1, 48), **top = calloc(1, 64);
  a[0] = shared;
  b[0] = shared;
  top[0] = a;
  void **child = calloc(1, 80), **parent = calloc(1, 96), **grandparent = calloc(1, 112);
  parent[0] = child;
  grandparent[3] = (char*)parent + 5;
}

int main(void) {
  build();
  return 0;
}
