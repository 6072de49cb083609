// The program dies by a signal with pointers in its frames, and what the C library holds is not freed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(void) {
  char* volatile held = malloc(21);
  memset(held, 1, 21);
  abort();
}

int main(void) {
  memset(malloc(22), 1, 22);
  die();
}
