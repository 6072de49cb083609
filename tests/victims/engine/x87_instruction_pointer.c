// fnstenv shows the address of the last x87 instruction: the app's own, never one in the code cache.
// EXPECT: instruction pointer ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    uint32_t environment[7];
    uint64_t where;
    __asm__ volatile("fninit; leaq 1f(%%rip), %1; 1: fldz; nop; fnstenv %0; fninit" : "=m"(environment), "=&r"(where));
    // Some processors keep no pointer without a pending exception; zero is an honest answer then.
    CHECK(environment[3] == (uint32_t)where || environment[3] == 0);
    uint8_t area[512] __attribute__((aligned(16)));
    __asm__ volatile("fninit; fld1; fxsave64 %0; fninit" : "=m"(area));
    uint64_t pointer;
    memcpy(&pointer, area + 8, 8);
    CHECK(!in_arena(pointer & 0xffffffffffff));
  }
  puts("instruction pointer ok");
}
