// Cycles of one, two and three blocks, of different sizes and places.
#include <stdlib.h>

static void one(void) {
  void** a = calloc(1, 16);
  *a = a;
}
static void two(void) {
  void **a = calloc(1, 24), **b = calloc(1, 32);
  *a = b;
  *b = a;
}
static void three(void) {
  void **a = calloc(1, 40), **b = calloc(1, 48), **c = calloc(1, 56);
  *a = b;
  *b = c;
  *c = a;
}

int main(void) {
  one();
  two();
  three();
  return 0;
}
