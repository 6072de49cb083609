// A program that uses GS itself, in several threads: loads, stores, locked and vector accesses, arch_prctl both ways.
// EXPECT: gs ok
#include "../victim.h"
#include <asm/prctl.h>
static void* user(void* argument) {
  uint64_t area[16] __attribute__((aligned(16)));
  memset(area, 0, sizeof area);
  uint64_t number = (uint64_t)argument, got = 0, base = 0;
  CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, area) == 0);
  for (int i = 0; i < 2000; ++i) {
    __asm__ volatile("movq %1, %%gs:8; movq $0x18, %%rax; movq %1, %%gs:(%%rax,%1,8); movq %%gs:8, %0"
                     : "=&r"(got)
                     : "r"(number)
                     : "rax", "memory");
    CHECK(got == number && area[1] == number && area[3 + number] == number);
    __asm__ volatile("lock incq %%gs:16; addq $5, %%gs:16" ::: "memory", "cc");
    __asm__ volatile("movups %%gs:8, %%xmm3; movups %%xmm3, %%gs:96; pushq %%gs:8; popq %0" : "=r"(got)::"xmm3", "memory");
    CHECK(got == number && area[12] == number);
    if (i % 100 == 0) {
      sched_yield();
      CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0 && base == (uint64_t)area);
    }
  }
  CHECK(area[2] == 6 * 2000);
  CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0) == 0);
  return NULL;
}
int main(void) {
  pthread_t threads[4];
  EACH_ROUND {
    for (long i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, user, (void*)(i + 1));
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  }
  user((void*)5);
  puts("gs ok");
}
