// The vsyscall page answers where the kernel has one, and faults as natively where it has not.
// EXPECT: vsyscall ok
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static uint64_t fault_pc;
static void handler(int signal, siginfo_t* info, void* context) {
  fault_pc = (uint64_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP];
  siglongjmp(back, 1);
}
int main(void) {
  on_signal(SIGSEGV, handler);
  EACH_ROUND {
    if (sigsetjmp(back, 1) == 0) {
      struct timeval tv = {0, 0};
      long result = ((long (*)(struct timeval*, void*))0xffffffffff600000)(&tv, NULL);
      CHECK(result == 0 && labs(tv.tv_sec - time(NULL)) <= 1);
      long seconds = ((long (*)(long*))0xffffffffff600400)(NULL);
      CHECK(labs(seconds - time(NULL)) <= 1);
      unsigned cpu = 99999;
      CHECK(((long (*)(unsigned*, unsigned*, void*))0xffffffffff600800)(&cpu, NULL, NULL) == 0 && cpu < 99999);
    } else {
      CHECK((fault_pc & ~0xfffull) == 0xffffffffff600000);
    }
  }
  puts("vsyscall ok");
}
