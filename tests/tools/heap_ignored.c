// Blocks that an ignored function has made and others resize, more than once, and free; and counted ones beside them.
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void* make_ignored(size_t size) {
  void* made = malloc(size);
  memset(made, 1, size);
  return made;
}

int main(void) {
  void* grows = realloc(make_ignored(1000), 2000);
  void* counted = malloc(300);
  grows = realloc(grows, 7000);
  counted = realloc(counted, 900);
  void* shrinks = realloc(make_ignored(5000), 100);
  free(grows);
  free(counted);
  grows = realloc(make_ignored(10), 40);
  free(shrinks);
  free(grows);
  return 0;
}
