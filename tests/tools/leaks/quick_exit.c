// _exit in a nested function: its callers' frames are still there.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void leave(void) {
  char* volatile held = malloc(61);
  memset(held, 1, 61);
  _exit(0);
}

int main(void) {
  char* volatile held = malloc(62);
  memset(held, 1, 62);
  memset(malloc(63), 1, 63);
  leave();
}
