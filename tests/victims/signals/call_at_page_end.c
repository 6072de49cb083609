// In a handler of SIGSEGV, which is blocked there, functions are called that end with the last byte of what is mapped:
// looking at what is called must not cost the handler.
// EXPECT: handled 4, calls 100
#include <setjmp.h>
#include "../victim.h"
static uint8_t* page;
static volatile int handled, calls;
static sigjmp_buf back;
static void count(void) {
  ++calls;
}
static void handler(int signal, siginfo_t* info, void* context) {
  ++handled;
  for (int i = 0; i < 25; ++i) ((void (*)(void))page)();
  siglongjmp(back, 1);
}
int main(void) {
  page = code_pages(2 * 4096);
  CHECK(munmap(page + 4096, 4096) == 0);
  // mov rax, count ; call rax ; ret  at the end; the ret alone is another function.
  uint8_t end[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0xc3};
  void (*function)(void) = count;
  memcpy(end + 2, &function, sizeof function);
  memcpy(page + 4096 - sizeof end, end, sizeof end);
  // call the last byte ; jmp to the code before it  at the start.
  uint8_t start[] = {0xe8, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0};
  const int32_t to_last = 4095 - 5, to_end = 4096 - (int32_t)sizeof end - 10;
  memcpy(start + 1, &to_last, 4);
  memcpy(start + 6, &to_end, 4);
  memcpy(page, start, sizeof start);
  on_signal(SIGSEGV, handler);
  for (volatile int i = 0; i < 4; ++i)
    if (sigsetjmp(back, 1) == 0) *(volatile char*)(page + 4096) = 1;
  printf("handled %d, calls %d\n", handled, calls);
}
