// Indirect calls and returns over many targets, among them pairs that collide in the low bits of the address.
// EXPECT: sum 5499004
#include "../victim.h"
#define COUNT 256
typedef long (*Function)(long);
int main(void) {
  uint8_t* memory = code_pages(COUNT * 65536L);
  Function table[COUNT];
  for (int i = 0; i < COUNT; ++i) {
    uint8_t* at = memory + (i % 2 ? i * 65536L : i * 96L);
    uint8_t code[] = {0x48, 0x8d, 0x87, (uint8_t)i, 0, 0, 0, 0xc3};  // lea rax, [rdi + i]; ret
    memcpy(at, code, sizeof code);
    table[i] = (Function)at;
  }
  long sum = 0;
  for (int n = 0; n < 40000; ++n) sum += table[(n * 7) % COUNT](n % 19);
  for (int n = 0; n < 40000; ++n) sum += table[n % 3](1) - 1;
  printf("sum %ld\n", sum);
}
