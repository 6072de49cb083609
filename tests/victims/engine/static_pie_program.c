// A static position-independent program relocates itself before anything else runs.
// BUILD: static-pie
// EXPECT: static-pie 499500
#include "../victim.h"
int main(void) {
  volatile long sum = 0;
  for (int i = 0; i < 1000; ++i) sum += i;
  printf("static-pie %ld\n", sum);
}
