// Flags that go into functions, come out of them and pass conditional tail calls are kept where calls are counted.
// RUN: callgrind
// SKIP: massif tool is given
// SKIP: massif-toggle tool is given
// EXPECT: flags kept
#include "../victim.h"
#define FUNCTION(name, code) ".p2align 4\n.type " name ", @function\n" name ":\n.cfi_startproc\n" code ".cfi_endproc\n"
__asm__(".text\n" FUNCTION("takes_carry", "sbb %eax, %eax\n ret\n")
            FUNCTION("takes_carry_later",
                     "push %rbx\n push %rbp\n mov %rdi, %rbx\n pop %rbp\n pop %rbx\n jc 1f\n xor %eax, %eax\n ret\n1: "
                     "or $-1, %eax\n ret\n") FUNCTION("takes_overflow", "seto %al\n movzbl %al, %eax\n ret\n")
                FUNCTION("gives_carry", "bt $0, %edi\n ret\n")
                    FUNCTION("overwrites", "xor %eax, %eax\n add $7, %eax\n ret\n")
        // Leaves for another function when equal; what follows reads the flags of the same comparison.
        FUNCTION("leaves_when_equal", "cmp $5, %edi\n je overwrites\n setb %al\n movzbl %al, %eax\n ret\n") FUNCTION(
            "jumps_with_carry", "bt $0, %edi\n jmp takes_carry\n") FUNCTION("calls_with_carry",
                                                                            "bt $0, %edi\n call takes_carry\n ret\n")
            FUNCTION("calls_with_carry_later", "bt $0, %edi\n call takes_carry_later\n ret\n") FUNCTION(
                "calls_with_overflow", "mov $0x7fffffff, %eax\n add %edi, %eax\n call takes_overflow\n ret\n")
                FUNCTION("calls_by_rdx", "lea takes_carry(%rip), %rdx\n bt $0, %edi\n call *%rdx\n ret\n")
                    FUNCTION("calls_by_rcx", "lea takes_carry(%rip), %rcx\n bt $0, %edi\n call *%rcx\n ret\n") FUNCTION(
                        "calls_by_memory",
                        "lea takes_carry(%rip), %rcx\n push %rcx\n mov %rsp, %rcx\n bt $0, %edi\n call *(%rcx)\n pop "
                        "%rcx\n ret\n") FUNCTION("jumps_by_rdx",
                                                 "lea takes_carry(%rip), %rdx\n bt $0, %edi\n jmp *%rdx\n")
                        FUNCTION("keeps_registers",
                                 "mov $3, %ecx\n mov $4, %edx\n call gives_carry\n lea (%rcx, %rdx, 8), %eax\n ret\n")
                            FUNCTION("calls_giver", "call gives_carry\n sbb %eax, %eax\n ret\n")
        // A shift by nothing leaves the flags alone.
        FUNCTION("shifts_by_nothing",
                 "xor %ecx, %ecx\n bt $0, %edi\n jmp 1f\n1: mov %rdi, %rdx\n shl %cl, %rdx\n sbb %eax, %eax\n ret\n"));
int takes_carry(int);
int calls_with_carry(int), calls_with_carry_later(int), calls_with_overflow(int), jumps_with_carry(int);
int calls_by_rdx(int), calls_by_rcx(int), calls_by_memory(int), jumps_by_rdx(int);
int calls_giver(int), keeps_registers(int), leaves_when_equal(int), shifts_by_nothing(int);
int main(void) {
  EACH_ROUND {
    for (int i = 0; i < 8; ++i) {
      const int carry = i & 1 ? -1 : 0;
      CHECK(calls_with_carry(i) == carry);
      CHECK(calls_with_carry_later(i) == carry);
      CHECK(calls_with_overflow(i) == (i != 0));
      CHECK(jumps_with_carry(i) == carry);
      CHECK(calls_by_rdx(i) == carry);
      CHECK(calls_by_rcx(i) == carry);
      CHECK(calls_by_memory(i) == carry);
      CHECK(jumps_by_rdx(i) == carry);
      CHECK(calls_giver(i) == carry);
      CHECK(keeps_registers(i) == 35);
      CHECK(shifts_by_nothing(i) == carry);
      CHECK(leaves_when_equal(i) == (i < 5 ? 1 : i == 5 ? 7 : 0));
    }
  }
  puts("flags kept");
}
