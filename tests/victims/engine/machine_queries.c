// cpuid, rdtsc, rdtscp, rdrand, xgetbv, sgdt-free queries: what a program asks of the processor.
// EXPECT: queries ok
#include "../victim.h"
#include <cpuid.h>
int main(void) {
  EACH_ROUND {
    unsigned a, b, c, d;
    uint64_t kept = 0x1122334455667788, after;
    __asm__ volatile("movq %2, %%r15; xorl %%eax, %%eax; cpuid; movq %%r15, %0" : "=r"(after), "=&a"(a) : "r"(kept) : "rbx", "rcx", "rdx", "r15");
    CHECK(after == kept && a >= 1);
    CHECK(__get_cpuid(1, &a, &b, &c, &d) && (d & (1 << 26)));
    uint64_t t0 = __builtin_ia32_rdtsc(), t1;
    unsigned aux;
    for (volatile int i = 0; i < 1000; ++i) {}
    t1 = __builtin_ia32_rdtscp(&aux);
    CHECK(t1 > t0);
    if (c & (1u << 30)) {
      uint64_t r;
      uint8_t ok;
      __asm__ volatile("rdrand %0; setc %1" : "=r"(r), "=q"(ok)::"cc");
    }
    uint16_t sel;
    __asm__ volatile("movw %%cs, %0" : "=r"(sel));
    CHECK(sel == 0x33);
    __asm__ volatile("movw %%ss, %0" : "=r"(sel));
    CHECK(sel == 0x2b);
    __asm__ volatile("prefetcht0 (%0); prefetchw (%0); prefetchnta (%0); clflush (%0); mfence; lfence; sfence; pause" ::"r"(&kept) : "memory");
  }
  puts("queries ok");
}
