// A handler of SIGSEGV allocates behind generated code whose frame pointer leads to nonsense: its stack is looked for
// in memory that is not there, and the handler is there the next time, too.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: 200 faults handled
#include <setjmp.h>
#include "../victim.h"
static sigjmp_buf again;
static volatile int faults;
static void handle(int signal) {
  char* block = malloc(100 + faults);
  memset(block, 1, 100);
  free(block);
  ++faults;
  siglongjmp(again, 1);
}
int main(void) {
  // mov %rdi, %rbp ; mov 0, %rax ; ret
  static const unsigned char code[] = {0x48, 0x89, 0xfd, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xc3};
  unsigned char* generated = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(generated, code, sizeof code);
  // As if it were a frame: the caller's frame pointer, and an address where there is nothing.
  volatile unsigned long frame[2] = {0x10, 0x123456789008};
  struct sigaction action = {.sa_handler = handle};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  for (volatile int i = 0; i < 200; ++i) {
    if (sigsetjmp(again, 1) == 0) ((void (*)(volatile unsigned long*))generated)(frame);
    CHECK(faults == i + 1);
    struct sigaction now;
    CHECK(sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_handler == handle);
  }
  printf("%d faults handled\n", faults);
}
