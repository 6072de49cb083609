// Returns and stack pointers used in unusual ways: data below rsp, ret imm16, enter, push rsp, getpc by call and pop,
// return addresses pushed by hand, changed returns, rsp as a general register.
// EXPECT: stack tricks ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    long a, b, c;
    __asm__ volatile("movq $5, -8(%%rsp); movq $6, -120(%%rsp); leaq 1f(%%rip), %%rax; jmp *%%rax; 1: movq -8(%%rsp), %0; movq -120(%%rsp), %1"
                     : "=r"(a), "=r"(b)::"rax", "memory");
    CHECK(a == 5 && b == 6);
    __asm__ volatile("subq $128, %%rsp; call 1f; 1: popq %0; leaq 1b(%%rip), %1; addq $128, %%rsp" : "=r"(a), "=r"(b)::"memory", "cc");
    CHECK(a == b);
    __asm__ volatile("subq $128, %%rsp; leaq 1f(%%rip), %%rax; pushq %%rax; ret; ud2; 1: movl $9, %k0; addq $128, %%rsp" : "=r"(a)::"rax", "memory", "cc");
    CHECK(a == 9);
    __asm__ volatile(
        "subq $128, %%rsp; movq %%rsp, %1; pushq $1; pushq $2; call 1f; jmp 2f; 1: ret $16; 2: movq %%rsp, %0; addq $128, %%rsp"
        : "=r"(a), "=&r"(b)::"memory", "cc");
    CHECK(a == b);
    __asm__ volatile("subq $128, %%rsp; call 1f; ud2; jmp 2f; 1: addq $2, (%%rsp); ret; 2: addq $128, %%rsp" ::: "memory", "cc");
    __asm__ volatile("subq $128, %%rsp; pushq %%rsp; popq %0; movq %%rsp, %1; addq $128, %%rsp" : "=r"(a), "=r"(b)::"memory", "cc");
    CHECK(a == b);
    __asm__ volatile("subq $128, %%rsp; movq %%rsp, %2; pushq %2; popq (%%rsp); movq %%rsp, %0; movq -8(%%rsp), %1; movq %2, %%rsp; addq $128, %%rsp"
                     : "=&r"(a), "=&r"(b), "=&r"(c)::"memory", "cc");
    CHECK(a == c);
    __asm__ volatile("subq $128, %%rsp; movq %%rbp, %%r12; movq %%rsp, %1; enter $32, $0; movq %%rbp, %0; leave; cmpq %%rsp, %1; jne 1f; cmpq %%rbp, %%r12; jne 1f; xorl %k1, %k1; 1: addq $128, %%rsp"
                     : "=&r"(a), "=&r"(b)::"memory", "cc", "r12");
    CHECK(b == 0);
    long table[4] = {10, 20, 30, 40};
    __asm__ volatile("movq %%rsp, %%r12; movq %2, %%rsp; popq %0; popq %1; addq %0, %1; movl $32, %%esp; addq %%rsp, %1; movq %%r12, %%rsp"
                     : "=&r"(a), "=&r"(b)
                     : "r"(table)
                     : "r12", "memory", "cc");
    CHECK(a == 10 && b == 62);
    // The return stack of a processor is wrong here: a call whose return address is never used, many times.
    __asm__ volatile("subq $128, %%rsp; movl $1000, %%ecx; 1: call 2f; ud2; 2: leaq 8(%%rsp), %%rsp; decl %%ecx; jnz 1b; addq $128, %%rsp" ::: "rcx", "memory", "cc");
  }
  puts("stack tricks ok");
}
