// A restartable sequence of the program's own counts right and is aborted to its handler, never torn.
// ENV: GLIBC_TUNABLES=glibc.pthread.rseq=0
// EXPECT: rseq counted
#include "../victim.h"
#include <linux/rseq.h>
static __thread struct rseq area __attribute__((aligned(32)));
static long counter;
int main(void) {
  long r = syscall(SYS_rseq, &area, sizeof area, 0, 0x53053053);
  CHECK(r == 0 || errno == ENOSYS);
  long tries = 0, aborts = 0;
  EACH_ROUND {
    counter = 0;
    for (int i = 0; i < 20000; ++i) {
      if (r != 0) {
        ++counter;  // what every program does on a kernel without rseq
        continue;
      }
      for (;;) {
        ++tries;
        long done;
        static const struct rseq_cs* unused;
        (void)unused;
        __asm__ volatile(
            ".pushsection __rseq_cs, \"aw\"; .balign 32\n"
            "3: .long 0, 0; .quad 1f, (2f - 1f), 4f; .popsection\n"
            "leaq 3b(%%rip), %%rax; movq %%rax, %1\n"
            "1: movq counter(%%rip), %%rcx; incq %%rcx; movq %%rcx, counter(%%rip)\n"
            "2: movl $1, %k0; jmp 5f\n"
            ".byte 0x0f, 0xb9, 0x3d; .long 0x53053053\n"
            "4: xorl %k0, %k0\n5:"
            : "=&r"(done), "=m"(area.rseq_cs)::"rax", "rcx", "memory", "cc");
        if (done) break;
        ++aborts;
      }
    }
    CHECK(counter == 20000);
  }
  CHECK(r != 0 || tries >= aborts);
  puts("rseq counted");
}
