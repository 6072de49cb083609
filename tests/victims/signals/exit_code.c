// The exit code is the program's own.
// EXPECT: leaving
// EXIT: 42
#include "../victim.h"
int main(void) {
  puts("leaving");
  return 42;
}
