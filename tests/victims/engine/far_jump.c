// A far jump into 32-bit code and back: the process goes on natively, and its result is its own.
// NEEDS: 32-bit
// EXPECT: from 32-bit code: 42
#include "../victim.h"
int main(void) {
  // Low memory: 32-bit code (mov eax, 42; retf), a stack for it, and a 64-bit way back (jmp [rip]).
  uint8_t* low = mmap((void*)0x20000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(low == (void*)0x20000000);
  static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xcb};
  static const uint8_t back[] = {0xff, 0x25, 0, 0, 0, 0};
  memcpy(low, code, sizeof code);
  memcpy(low + 4096, back, sizeof back);
  uint32_t* stack = (uint32_t*)(low + 8192 - 64);
  stack[0] = 0x20001000;
  stack[1] = 0x33;
  struct {
    uint32_t offset;
    uint16_t segment;
  } __attribute__((packed)) target = {0x20000000, 0x23};
  uint64_t result;
  __asm__ volatile(
      "movq %%rsp, %%r12; leaq 1f(%%rip), %%rax; movq %%rax, 0x20001006; movq %2, %%rsp; ljmp *(%1); 1: movq %%r12, %%rsp"
      : "=&a"(result)
      : "r"(&target), "r"(stack)
      : "r12", "memory", "cc");
  printf("from 32-bit code: %d\n", (int)result);
}
