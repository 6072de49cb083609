// A handler on its own stack, for a stack overflow that leaves no room on the other.
// EXPECT: overflow handled
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static char alternate[65536];
static void handler(int signal, siginfo_t* info, void* context) {
  char here;
  CHECK(&here >= alternate && &here < alternate + sizeof alternate);
  siglongjmp(back, 1);
}
static int __attribute__((noinline)) overflow(int n) {
  volatile char pad[4096];
  pad[0] = (char)n;
  return n < 0 ? 0 : overflow(n + 1) + pad[0];
}
int main(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  CHECK(sigaltstack(&stack, NULL) == 0);
  on_signal_flags(SIGSEGV, handler, SA_ONSTACK);
  for (volatile int i = 0; i < 3; ++i)
    if (sigsetjmp(back, 1) == 0) CHECK(overflow(0) == -1);
  CHECK(sigaltstack(NULL, &stack) == 0 && stack.ss_sp == alternate && stack.ss_flags == 0);
  puts("overflow handled");
}
