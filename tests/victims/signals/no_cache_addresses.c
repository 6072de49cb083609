// No address of the code cache is ever seen by the app: not in signal frames, backtraces, nor anywhere on its stack.
// EXPECT: nothing seen
// SKIP: massif while an allocation function runs, its frame on the app's stack holds the agent's addresses
// SKIP: massif-toggle likewise
#include "../victim.h"
#include <execinfo.h>
static volatile int ticks;
static char* stack_top;
static void scan(const char* what) {
  for (uint64_t* p = (uint64_t*)__builtin_frame_address(0); (char*)p < stack_top; ++p) {
    if (in_arena(*p)) {
      printf("%s: %#lx at %p\n", what, *p, (void*)p);
      fflush(stdout);
      _exit(99);
    }
  }
}
// Anew after each signal: however slow the handler is, the program goes on in between.
static void arm(void) {
  struct itimerval value = {{0, 0}, {0, 500}};
  setitimer(ITIMER_REAL, &value, NULL);
}
static void handler(int signal, siginfo_t* info, void* context) {
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  for (int i = 0; i < NGREG; ++i) CHECK(!in_arena((uint64_t)r[i]));
  CHECK(!in_arena((uint64_t)info->si_addr));
  scan("signal frame");
  void* frames[64];
  int n = backtrace(frames, 64);
  for (int i = 0; i < n; ++i) CHECK(!in_arena((uint64_t)frames[i]));
  ++ticks;
  arm();
}
static long __attribute__((noinline)) work(long n) {
  long sum = 0;
  char buffer[256];
  for (long i = 0; i < n; ++i) {
    sum += snprintf(buffer, sizeof buffer, "%ld %s", i, "text");
    if (i % 64 == 0) getppid();
    void* p = malloc(100 + i % 50);
    free(p);
  }
  return sum;
}
int main(void) {
  stack_top = (char*)__builtin_frame_address(0) + 8;
  void* frames[4];
  backtrace(frames, 4);
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  arm();
  while (ticks < 40) {
    work(50);
    scan("own stack");
    uint64_t registers[16];
    __asm__ volatile("movq %%rcx, 0(%0); movq %%r11, 8(%0); movq %%r10, 16(%0)" ::"r"(registers) : "memory");
    getppid();
    uint64_t rcx, r11;
    __asm__ volatile("syscall" : "=c"(rcx), "=a"(registers[0]) : "a"(SYS_getpid) : "r11", "memory");
    __asm__ volatile("movl $39, %%eax; syscall; movq %%r11, %0" : "=r"(r11)::"rax", "rcx", "r11", "memory");
    CHECK(!in_arena(rcx) && rcx != 0 && !in_arena(r11) && (r11 & 0x200));
  }
  puts("nothing seen");
}
