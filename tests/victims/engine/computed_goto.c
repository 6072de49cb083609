// An interpreter with computed gotos: indirect jumps with many sources and targets.
// CFLAGS: -O2
// EXPECT: result 49995000
#include "../victim.h"
int main(void) {
  static const void* labels[] = {&&op_load, &&op_add, &&op_decrement, &&op_jump, &&op_halt, &&op_swap, &&op_nop};
  static const unsigned char program[] = {0, 6, 1, 5, 5, 2, 6, 3, 4};
  long a = 0, n = 10000, t;
  int pc = 0;
#define NEXT goto* labels[program[pc++]]
  NEXT;
op_load:
  NEXT;
op_add:
  a += n - 1;
  NEXT;
op_swap:
  t = a, a = n, n = t;
  NEXT;
op_decrement:
  --n;
  NEXT;
op_nop:
  NEXT;
op_jump:
  if (n > 0) pc = 0;
  NEXT;
op_halt:
  printf("result %ld\n", a);
}
