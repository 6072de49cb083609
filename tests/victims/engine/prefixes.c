// Prefixes that mean nothing, or little: 66, 67, REX without need, repz ret, bnd, notrack, segment overrides, loop and jrcxz.
// EXPECT: prefixes ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    long a, b;
    __asm__ volatile("movq $0x1234567890, %1; .byte 0x67; leaq (%1), %0" : "=r"(a), "=a"(b));
    __asm__ volatile("movq $0x1234567890, %%rax; .byte 0x67, 0x48, 0x8d, 0x00" : "=a"(a));  // lea rax, [eax]
    CHECK(a == 0x34567890);
    __asm__ volatile("movq $-1, %%rax; .byte 0x40, 0x48, 0x31, 0xc0" : "=a"(a)::"cc");  // rex; rex.w xor rax, rax
    CHECK(a == 0);
    __asm__ volatile("movq $-1, %%rax; .byte 0x48, 0x66, 0x31, 0xc0" : "=a"(a)::"cc");  // rex before 66 is ignored: xor ax, ax
    CHECK(a == (long)0xffffffffffff0000);
    __asm__ volatile("subq $128, %%rsp; call 1f; jmp 2f; 1: .byte 0xf3, 0xc3; 2: call 3f; jmp 4f; 3: .byte 0xf2, 0xc3; 4: addq $128, %%rsp" ::: "memory", "cc");
    __asm__ volatile("leaq 1f(%%rip), %%rax; .byte 0x3e, 0xff, 0xe0; ud2; 1:" ::: "rax");             // notrack jmp rax
    __asm__ volatile("leaq 1f(%%rip), %%rax; .byte 0xf2, 0xff, 0xe0; ud2; 1:" ::: "rax");             // bnd jmp rax
    __asm__ volatile("subq $128, %%rsp; .byte 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0; addq $136, %%rsp" ::: "memory", "cc");  // padded call
    __asm__ volatile("clc; .byte 0x3e, 0x72, 2; jmp 1f; ud2; 1:" ::: "cc");                           // jc with a hint
    __asm__ volatile(".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0; .byte 0xf3, 0x90; .byte 0x66, 0x90; .byte 0x48, 0x90");
    long n = 0x100000003, turns = 0;
    __asm__ volatile("1: incl %k1; .byte 0x67, 0xe2, 0xfb" : "+c"(n), "+r"(turns)::"cc");  // loop with ecx
    turns = 0, n = 5;
    __asm__ volatile("1: incl %k1; loop 1b" : "+c"(n), "+r"(turns)::"cc");
    CHECK(turns == 5 && n == 0);
    n = 9, turns = 0;
    __asm__ volatile("1: incl %k1; cmpl $4, %k1; loopne 1b" : "+c"(n), "+r"(turns)::"cc");
    CHECK(turns == 4 && n == 5);
    n = 9, turns = 0;
    __asm__ volatile("1: incl %k1; cmpl $3, %k1; setb %%al; cmpb $1, %%al; loope 1b" : "+c"(n), "+r"(turns)::"cc", "rax");
    CHECK(turns == 3 && n == 6);
    n = 0, a = 1;
    __asm__ volatile("jrcxz 1f; xorl %k0, %k0; 1:" : "+r"(a) : "c"(n) : "cc");
    CHECK(a == 1);
    n = 0x100000000;
    __asm__ volatile(".byte 0x67, 0xe3, 2; xorl %k0, %k0" : "+a"(a) : "c"(n) : "cc");  // jecxz over it
    CHECK(a == 1);
    n = 0x100000000;
    __asm__ volatile("jrcxz 1f; xorl %k0, %k0; 1:" : "+r"(a) : "c"(n) : "cc");
    CHECK(a == 0);
    uint64_t fs_self, offset = 0;
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(fs_self) : "r"(offset));
    CHECK(fs_self == (uint64_t)pthread_self());
    __asm__ volatile("movq %%ds:(%1), %0" : "=r"(a) : "r"(&b) : "memory");
    CHECK(a == b);
    uint64_t moffs = 0;
    static uint64_t target = 77;
    uint8_t* page = code_pages(4096);
    uint8_t code[] = {0x48, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3};
    uint64_t* address = &target;
    memcpy(code + 2, &address, 8);
    memcpy(page, code, sizeof code);
    moffs = ((uint64_t(*)(void))page)();
    CHECK(moffs == 77);
    munmap(page, 4096);
  }
  puts("prefixes ok");
}
