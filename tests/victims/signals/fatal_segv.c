// A fault without handler ends the program by SIGSEGV, after its output.
// EXPECT: about to fault
// EXIT: SIGSEGV
#include "../victim.h"
int main(void) {
  puts("about to fault");
  fflush(stdout);
  usleep(20000);
  *(volatile int*)8 = 1;
  puts("not reached");
}
