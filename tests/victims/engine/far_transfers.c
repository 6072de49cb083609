// lretq and iretq within 64-bit code: rare, but they run natively.
// EXPECT: far ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    long a = 0, flags = 0;
    __asm__ volatile("subq $128, %%rsp; movl %%cs, %%eax; pushq %%rax; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; ud2; 1: movl $3, %k0; addq $128, %%rsp"
                     : "=r"(a)::"rax", "memory", "cc");
    CHECK(a == 3);
    __asm__ volatile(
        "subq $128, %%rsp; movq %%rsp, %%rdx; movl %%ss, %%eax; pushq %%rax; pushq %%rdx; pushq $0x203; movl %%cs, %%eax; pushq %%rax;"
        "leaq 1f(%%rip), %%rax; pushq %%rax; iretq; ud2; 1: pushfq; popq %0; addq $128, %%rsp"
        : "=r"(flags)::"rax", "rdx", "memory", "cc");
    CHECK(flags & 1);
  }
  puts("far ok");
}
