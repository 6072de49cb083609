// The only pointer is in a register when the program ends.
#include <stdlib.h>

int main(void) {
  void* block = malloc(77);
  __asm__ volatile(
      "mov %0, %%rbx\n"
      "movq $0, %0\n"
      "mov $231, %%eax\n"
      "xor %%edi, %%edi\n"
      "syscall\n"
      : "+m"(block)
      :
      : "rbx", "rax", "rdi", "rcx", "r11", "memory");
  return 0;
}
