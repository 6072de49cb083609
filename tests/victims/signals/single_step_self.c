// A program that sets the trap flag gets a SIGTRAP for each instruction, at its own addresses.
// EXPECT: steps 5
#include "../victim.h"
static volatile int steps;
extern char step_begin[], step_end[];
static void handler(int signal, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  if (r[REG_RIP] > (greg_t)step_begin && r[REG_RIP] <= (greg_t)step_end) ++steps;
  CHECK(!in_arena((uint64_t)r[REG_RIP]));
}
int main(void) {
  on_signal(SIGTRAP, handler);
  __asm__ volatile(
      "subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq\n.globl step_begin, step_end\n"
      "step_begin: nop; nop; movl $3, %%eax; incl %%eax; nop\nstep_end: pushfq; andq $~0x100, (%%rsp); popfq; addq $128, %%rsp" ::
          : "rax", "memory", "cc");
  printf("steps %d\n", steps);
}
