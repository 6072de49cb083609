// SIGSEGV in a nested function.
#include <stdlib.h>
#include <string.h>

static void deeper(int* where) {
  char* volatile held = malloc(51);
  memset(held, 1, 51);
  *where = 1;
}

int main(void) {
  memset(malloc(52), 1, 52);
  deeper(NULL);
}
