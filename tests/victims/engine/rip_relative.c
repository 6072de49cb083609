// Every form of rip-relative operand: load, store, lea, immediate behind it, call and jump through it, vector, locked.
// EXPECT: rip-relative ok
#include "../victim.h"
long word = 5, other;
double vec[4] __attribute__((aligned(32))) = {1, 2, 3, 4};
static long seven(void) { return 7; }
long (*pointer)(void) = seven;
int main(void) {
  EACH_ROUND {
    long a, b;
    double v;
    word = 5;
    __asm__ volatile("movq word(%%rip), %0" : "=r"(a)::"memory");
    CHECK(a == 5);
    __asm__ volatile("movq %0, other(%%rip)" ::"r"(a + 1) : "memory");
    CHECK(other == 6);
    __asm__ volatile("leaq word(%%rip), %0" : "=r"(a));
    CHECK(a == (long)&word);
    __asm__ volatile("movl $0x12345678, word(%%rip); movb $1, word+7(%%rip)" ::: "memory");
    CHECK(word == 0x0100000012345678);
    __asm__ volatile("cmpb $0x78, word(%%rip); sete %%al; movzbl %%al, %%eax" : "=a"(a)::"cc", "memory");
    CHECK((int)a == 1);
    __asm__ volatile("imull $3, other(%%rip), %k0" : "=r"(a)::"cc", "memory");
    CHECK((int)a == 18);
    __asm__ volatile("lock incq other(%%rip); lock xaddq %0, other(%%rip)" : "=r"(b) : "0"(10L) : "cc", "memory");
    CHECK(b == 7 && other == 17);
    __asm__ volatile("subq $128, %%rsp; andq $-16, %%rsp; callq *pointer(%%rip); movq %%rbx, %%rsp"
                     : "=a"(a)
                     : "b"(({
                       long sp;
                       __asm__ volatile("movq %%rsp, %0" : "=r"(sp));
                       sp;
                     }))
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    CHECK(a == 7);
    __asm__ volatile("leaq 1f(%%rip), %%rax; movq %%rax, other(%%rip); xorl %%eax, %%eax; jmpq *other(%%rip); incq %%rax; 1:"
                     : "=&a"(a)::"memory", "cc");
    CHECK(a == 0);
    __asm__ volatile("subq $128, %%rsp; pushq word(%%rip); popq %0; addq $128, %%rsp" : "=r"(a)::"memory", "cc");
    CHECK(a == word);
    __asm__ volatile("movsd vec+8(%%rip), %0; addsd vec+16(%%rip), %0" : "=x"(v)::"memory");
    CHECK(v == 5);
    __asm__ volatile("movq $3, %%rcx; btsq %%rcx, other(%%rip); shlq $1, word(%%rip)" ::: "rcx", "cc", "memory");
    CHECK(word == 0x0100000012345678L << 1);
    __asm__ volatile("xorl %%eax, %%eax; movq word(%%rip), %%rbx; cmpxchgq %%rbx, word(%%rip); setne %%al" : "=a"(a)::"rbx", "cc", "memory");
    CHECK((a & 0xff) == 1);
  }
  puts("rip-relative ok");
}
