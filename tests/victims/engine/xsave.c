// xsave, xrstor, fxsave, ldmxcsr and vector state across calls and system calls.
// NEEDS: xsave avx
// CFLAGS: -O1 -mxsave -mavx
// EXPECT: vector state ok
#include "../victim.h"
#include <immintrin.h>
int main(void) {
  uint8_t* area = aligned_alloc(64, 16384);
  EACH_ROUND {
    __m256 kept = _mm256_set_ps(1, 2, 3, 4, 5, 6, 7, 8), back;
    memset(area, 0, 16384);
    __asm__ volatile("vmovaps %1, %%ymm7; movl $7, %%eax; xorl %%edx, %%edx; xsave64 (%2); vzeroall;"
                     "movl $7, %%eax; xorl %%edx, %%edx; xrstor64 (%2); vmovaps %%ymm7, %0"
                     : "=m"(back)
                     : "m"(kept), "r"(area)
                     : "rax", "rdx", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    CHECK(memcmp(&back, &kept, 32) == 0);
    uint64_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    CHECK((low & 7) == 7);
    uint32_t old, now = 0x9fc0, seen;
    __asm__ volatile("stmxcsr %0; ldmxcsr %2; stmxcsr %1; ldmxcsr %0" : "+m"(old), "=m"(seen) : "m"(now));
    CHECK(seen == now);
    __asm__ volatile("vpcmpeqd %%xmm9, %%xmm9, %%xmm9" ::: "xmm9");
    long pid;
    __asm__ volatile("syscall" : "=a"(pid) : "0"(SYS_getpid) : "rcx", "r11", "memory");
    uint32_t mask;
    __asm__ volatile("pmovmskb %%xmm9, %0" : "=r"(mask));
    CHECK(mask == 0xffff && pid == getpid());
  }
  puts("vector state ok");
}
