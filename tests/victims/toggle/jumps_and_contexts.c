// setjmp in one mode, longjmp in the other; the same for swapcontext, C-style coroutines.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: jumps 30 switches 40
#include <setjmp.h>
#include "toggle.h"
static jmp_buf target;
static ucontext_t main_context, other_context;
static char stack[65536];
static int switches;
static void coroutine(void) {
  for (int i = 0;; ++i) {
    ++switches;
    toggle(i % 2);
    swapcontext(&other_context, &main_context);
  }
}
int main(void) {
  toggle_open();
  volatile int jumps = 0;
  int n = setjmp(target);
  CHECK(n == jumps);
  if (jumps < 30) {
    ++jumps;
    toggle(jumps % 2);
    longjmp(target, jumps);
  }
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = stack;
  other_context.uc_stack.ss_size = sizeof stack;
  makecontext(&other_context, coroutine, 0);
  for (int i = 0; i < 40; ++i) {
    swapcontext(&main_context, &other_context);
    if (i % 3 == 0) toggle(1);
  }
  printf("jumps %d switches %d\n", jumps, switches);
}
