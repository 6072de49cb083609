// A system call changes rax, rcx and r11 only; rcx is the next app address, r11 the app's flags.
// EXPECT: registers kept
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    uint64_t rcx, r11, next, ok;
    __asm__ volatile(
        "pushq %%rbx; pushq %%rbp\n"
        "movq $1, %%rbx; movq $2, %%rdx; movq $3, %%rsi; movq $4, %%rdi; movq $5, %%rbp; movq $6, %%r8; movq $7, %%r9\n"
        "movq $8, %%r10; movq $9, %%r12; movq $10, %%r13; movq $11, %%r14; movq $12, %%r15; movl $39, %%eax; stc\n"
        "syscall\n"
        "1: movl $0, %%eax; setc %%al\n"
        "leaq (%%rbx,%%rdx), %%rbx; leaq (%%rbx,%%rsi), %%rbx; leaq (%%rbx,%%rdi), %%rbx; leaq (%%rbx,%%rbp), %%rbx\n"
        "leaq (%%rbx,%%r8), %%rbx; leaq (%%rbx,%%r9), %%rbx; leaq (%%rbx,%%r10), %%rbx; leaq (%%rbx,%%r12), %%rbx\n"
        "leaq (%%rbx,%%r13), %%rbx; leaq (%%rbx,%%r14), %%rbx; leaq (%%rbx,%%r15), %%rbx\n"
        "imulq $100, %%rbx; addq %%rbx, %%rax; leaq 1b(%%rip), %%rdx\n"
        "popq %%rbp; popq %%rbx"
        : "=c"(rcx), "=a"(ok), "=d"(next)::"rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    CHECK(ok == 7801 && rcx == next);
    __asm__ volatile("movl $39, %%eax; xorl %%ecx, %%ecx; stc; syscall; movq %%r11, %0" : "=r"(r11)::"rax", "rcx", "r11", "memory", "cc");
    CHECK((r11 & 0x241) == 0x241);
  }
  puts("registers kept");
}
