// Three threads compute in general, x87 and vector registers while they are switched 100 times: every result is right.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: integer, x87 and vector right
#include "toggle.h"
static volatile int stop;
static void* integers(void* unused) {
  while (!stop) {
    uint64_t a = 1, b = 2, c = 3, d = 5;
    for (int i = 0; i < 20000; ++i) {
      a = a * 6364136223846793005 + b, b ^= a >> 13, c += (b << 7) | (a >> 57), d = d * 3 + (c & 1) + (a < b);
    }
    static uint64_t expected;
    uint64_t all = a ^ b ^ c ^ d;
    if (expected == 0) expected = all;
    CHECK(all == expected);
  }
  return NULL;
}
static void* x87(void* unused) {
  while (!stop) {
    long double s = 0;
    for (int i = 1; i < 5000; ++i) {
      s += 1.0L / i;
      __asm__ volatile("" : "+t"(s));
    }
    CHECK(s > 9.0943 && s < 9.0945);
  }
  return NULL;
}
static void* vectors(void* unused) {
  while (!stop) {
    uint32_t result;
    __asm__ volatile(
        "pxor %%xmm14, %%xmm14; pcmpeqd %%xmm15, %%xmm15; movl $30000, %%ecx\n"
        "1: psubd %%xmm15, %%xmm14; decl %%ecx; jnz 1b; movd %%xmm14, %0"
        : "=r"(result)::"rcx", "xmm14", "xmm15", "cc");
    CHECK(result == 30000);
  }
  return NULL;
}
int main(void) {
  toggle_open();
  void* (*const work[3])(void*) = {integers, x87, vectors};
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work[i], NULL);
  for (int i = 0; i < 100; ++i) toggle(i % 2);
  stop = 1;
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  puts("integer, x87 and vector right");
}
