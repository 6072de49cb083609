// Makes, resizes and frees blocks of one size at random, so that the heap rises and falls and has many peaks.
// Valgrind's allocator gives blocks of one size no more than they ask for.
#include <stdlib.h>

static unsigned long state = 5;

static unsigned below(unsigned n) {
  state = state * 6364136223846793005ul + 1442695040888963407ul;
  return (state >> 33) % n;
}

__attribute__((noinline)) static void* first(void) {
  return malloc(64);
}
__attribute__((noinline)) static void* second(void) {
  return calloc(1, 64);
}
__attribute__((noinline)) static void* third(void) {
  return first();
}

int main(void) {
  static void* kept[2000];
  for (int i = 0; i < 20000; ++i) {
    void** one = &kept[below(i < 10000 ? 2000 : 500)];
    switch (below(5)) {
      case 0:
        free(*one);
        *one = first();
        break;
      case 1:
        free(*one);
        *one = second();
        break;
      case 2:
        *one = realloc(*one, 64);
        break;
      case 3:
        free(*one);
        *one = third();
        break;
      default:
        free(*one);
        *one = NULL;
    }
  }
  return 0;
}
