// A 32-bit system call from 64-bit code, where the kernel allows it.
// EXPECT: int80 ok
#include "../victim.h"
#include <setjmp.h>
static sigjmp_buf back;
static void handler(int signal, siginfo_t* info, void* context) { siglongjmp(back, 1); }
int main(void) {
  on_signal(SIGSEGV, handler);
  EACH_ROUND {
    if (sigsetjmp(back, 1) == 0) {
      long pid;
      __asm__ volatile("int $0x80" : "=a"(pid) : "0"(20L) : "memory", "r8", "r9", "r10", "r11");
      CHECK(pid == getpid() || pid == -ENOSYS);
    }
  }
  puts("int80 ok");
}
