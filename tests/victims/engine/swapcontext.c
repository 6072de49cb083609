// Coroutines by swapcontext: stacks change under the engine without its doing.
// EXPECT: switches 4000 sum 1998000
#include "../victim.h"
static ucontext_t main_context, contexts[4];
static char stacks[4][65536];
static long switches, sum;
static void coroutine(int id) {
  for (int i = 0; i < 1000; ++i) {
    sum += i;
    ++switches;
    swapcontext(&contexts[id], id == 3 ? &main_context : &contexts[id + 1]);
  }
}
int main(void) {
  for (int i = 0; i < 4; ++i) {
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = stacks[i];
    contexts[i].uc_stack.ss_size = sizeof stacks[i];
    contexts[i].uc_link = &main_context;
    makecontext(&contexts[i], (void (*)(void))coroutine, 1, i);
  }
  for (int i = 0; i < 1000; ++i) swapcontext(&main_context, &contexts[0]);
  printf("switches %ld sum %ld\n", switches, sum);
}
