// A jump into the middle of an instruction executes what the bytes there mean.
// EXPECT: whole 1 middle 42
#include "../victim.h"
int main(void) {
  long whole = 0, middle = 0;
  EACH_ROUND {
    // b8 b0 2a eb 02: mov eax, 0x02eb2ab0. From its second byte: mov al, 42; jmp +2.
    __asm__ volatile(
        "xorl %%eax, %%eax; movl $1, %%ecx; 1: testl %%ecx, %%ecx; jz 3f\n"
        ".byte 0xb8\n"
        "2: .byte 0xb0, 0x2a, 0xeb, 0x02\n"
        "jmp 4f\n"
        "movzbl %%al, %%edx; jmp 5f\n"
        "4: cmpl $0x02eb2ab0, %%eax; sete %%bl; movzbl %%bl, %%ebx; xorl %%eax, %%eax; xorl %%ecx, %%ecx; jmp 1b\n"
        "3: jmp 2b\n"
        "5:"
        : "=b"(whole), "=d"(middle)::"rax", "rcx", "cc");
  }
  printf("whole %ld middle %ld\n", whole, middle);
}
