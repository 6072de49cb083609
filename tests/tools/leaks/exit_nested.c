// exit in a nested function, with handlers that free and allocate.
#include <stdlib.h>
#include <string.h>

char* to_free;

static void last(void) {
  memset(malloc(75), 1, 75);
}
static void first(void) {
  free(to_free);
  to_free = NULL;
}

static void leave(void) {
  char* volatile held = malloc(71);
  memset(held, 1, 71);
  exit(0);
}

int main(void) {
  to_free = malloc(74);
  atexit(last);
  atexit(first);
  char* volatile held = malloc(72);
  memset(held, 1, 72);
  memset(malloc(73), 1, 73);
  leave();
}
