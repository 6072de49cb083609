// Counters for each processor, counted up by restartable sequences of the program's own, registered before it is
// instrumented: no count is lost while it is switched on and off, as its sequences run where the kernel aborts them.
// RUN: none --instr-atstart=no
// ENV: GLIBC_TUNABLES=glibc.pthread.rseq=0
// MODES: default, no-link, toggle, massif
// EXPECT: all counted
#include <linux/rseq.h>
#include "toggle.h"
enum { kThreads = 4, kCounts = 300000, kProcessors = 4096 };
static __thread struct rseq area __attribute__((aligned(32)));
static long counters[kProcessors][8];
static int without;  // the kernel, or vsup, has none for us

static void count(void) {
  for (;;) {
    unsigned cpu = *(volatile unsigned*)&area.cpu_id_start;
    long done;
    // A pause between load and store: a sequence that is not aborted loses counts of other threads.
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"; .balign 32\n"
        "3: .long 0, 0; .quad 1f, (2f - 1f), 4f; .popsection\n"
        "leaq 3b(%%rip), %%rax; movq %%rax, %1\n"
        "1: cmpl %2, %3; jne 4f\n"
        "movq (%4), %%rcx; movl $20, %%eax\n"
        "6: pause; decl %%eax; jnz 6b\n"
        "incq %%rcx; movq %%rcx, (%4)\n"
        "2: movl $1, %k0; jmp 5f\n"
        ".byte 0x0f, 0xb9, 0x3d; .long 0x53053053\n"
        "4: xorl %k0, %k0\n5:"
        : "=&r"(done), "=m"(area.rseq_cs)
        : "r"(cpu), "m"(area.cpu_id), "r"(&counters[cpu % kProcessors][0])
        : "rax", "rcx", "memory", "cc");
    if (done) return;
  }
}
static void* work(void* unused) {
  long r = syscall(SYS_rseq, &area, sizeof area, 0, 0x53053053);
  CHECK(r == 0 || errno == ENOSYS);
  if (r != 0) __atomic_store_n(&without, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < kCounts; ++i) {
    if (r == 0) {
      count();
    } else {
      __atomic_add_fetch(&counters[0][1], 1, __ATOMIC_RELAXED);
    }
  }
  return unused;
}
int main(void) {
  pthread_t threads[kThreads];
  CHECK(syscall(SYS_rseq, &area, sizeof area, 0, 0x53053053) == 0 || errno == ENOSYS);
  for (int i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, NULL);
  toggle_open();
  for (int i = 0; i < 6; ++i) {
    toggle(i % 2 == 0);
    usleep(5000);
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  long sum = 0;
  for (int i = 0; i < kProcessors; ++i) sum += counters[i][0] + counters[i][1];
  CHECK(sum == (long)kThreads * kCounts);
  puts("all counted");
}
