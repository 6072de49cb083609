// Flags live across block ends, indirect jumps, calls, returns and system calls; pushf, popf, lahf and DF.
// EXPECT: flags ok
#include "../victim.h"
__attribute__((used)) static void *through;
int main(void) {
  EACH_ROUND {
    for (uint64_t a = 0; a < 20; ++a) {
      uint64_t flags;
      // Carry, zero, sign, overflow, parity and adjust set in one block, read after a jump, an indirect jump, a call and a return.
      __asm__ volatile(
          "movq %1, %%rax; shlq $60, %%rax; leaq 1f(%%rip), %%rdx; leaq 4f(%%rip), %%rcx; subq $128, %%rsp\n"
          "addq %%rax, %%rax; jmp *%%rdx; ud2\n"
          "1: jmp 2f; ud2\n"
          "2: call 3f; jmp 5f\n"
          "3: call *%%rcx; ret\n"
          "4: ret\n"
          "5: pushfq; popq %0; leaq 128(%%rsp), %%rsp\n"
          : "=&r"(flags)
          : "r"(a)
          : "rax", "rdx", "rcx", "memory", "cc");
      uint64_t x = a << 60, r = x + x;
      uint64_t expected = (uint64_t)(x >> 63) | (r == 0 ? 0x40 : 0) | ((r >> 63) << 7) | (((x ^ r) >> 63) << 11);
      CHECK((flags & 0x8c1) == expected);
      CHECK(flags & 0x200);
    }
    uint64_t flags;
    __asm__ volatile("subq $128, %%rsp; pushq $0x8d7; popfq; pushfq; popq %0; leaq 128(%%rsp), %%rsp" : "=r"(flags)::"cc", "memory");
    CHECK((flags & 0xcd5) == 0x8d5);
    __asm__ volatile("movb $0xd5, %%ah; sahf; movl $0, %%eax; lahf; movzbl %%ah, %%eax" : "=a"(flags)::"cc");
    CHECK((uint32_t)flags == 0xd7);
    __asm__ volatile("subq $128, %%rsp; std; leaq 1f(%%rip), %%rax; jmp *%%rax; 1: pushfq; popq %0; cld; leaq 128(%%rsp), %%rsp"
                     : "=r"(flags)::"rax", "cc", "memory");
    CHECK(flags & 0x400);
    long carry;
    __asm__ volatile("movl $39, %%eax; stc; syscall; setc %%cl; movzbl %%cl, %%ecx" : "=c"(carry)::"rax", "r11", "cc", "memory");
    CHECK((int)carry == 1);
    // Through a pointer of its own, at the place that an entry of a linkage table would have.
    __asm__ volatile(
        "subq $128, %%rsp; leaq 2f(%%rip), %%rcx; movq %%rcx, through(%%rip); stc; call 1f; jmp 3f\n"
        ".p2align 4; 1: jmp *through(%%rip); ud2\n"
        "2: setc %%cl; movzbl %%cl, %%ecx; ret\n"
        "3: leaq 128(%%rsp), %%rsp"
        : "=c"(carry)::"cc", "memory");
    CHECK((int)carry == 1);
    // A chain of adc over a loop whose counter does not touch carry.
    uint64_t n[8] = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, 3}, *p = n;
    long count = 8;
    __asm__ volatile("stc; 1: adcq $0, (%0); leaq 8(%0), %0; decq %1; jnz 1b" : "+r"(p), "+r"(count)::"cc", "memory");
    for (int i = 0; i < 7; ++i) CHECK(n[i] == 0);
    CHECK(n[7] == 4);
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x240000, (%%rsp); popfq; pushfq; popq %0; pushfq; andq $~0x40000, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"
                     : "=r"(flags)::"cc", "memory");
    CHECK(flags & 0x40000);
  }
  puts("flags ok");
}
