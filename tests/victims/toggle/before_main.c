// Toggles in a constructor, before main; and main, the destructors and atexit functions run right afterwards.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: constructed 1
// EXPECT: main
// EXPECT: at exit
#include "toggle.h"
static int constructed;
__attribute__((constructor)) static void start(void) {
  toggle_open();
  toggle(0);
  constructed = 1;
  toggle(1);
  toggle(0);
}
static void leave(void) {
  toggle(0);
  puts("at exit");
}
int main(void) {
  printf("constructed %d\n", constructed);
  toggle(1);
  atexit(leave);
  puts("main");
}
