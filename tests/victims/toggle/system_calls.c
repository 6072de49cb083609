// Switched while two threads make short system calls without end: no result, flag or register is lost.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: calls right
#include "toggle.h"
static volatile int stop;
static void* calls(void* unused) {
  int pid = getpid(), pipes[2];
  CHECK(pipe(pipes) == 0);
  for (long i = 0; !stop; ++i) {
    long a, carry, kept = i;
    __asm__ volatile("stc; syscall; setc %%cl; movzbl %%cl, %%ecx" : "=a"(a), "=c"(carry), "+r"(kept) : "0"(SYS_getpid) : "r11", "memory", "cc");
    CHECK(a == pid && (int)carry == 1 && kept == i);
    long b = i;
    CHECK(write(pipes[1], &b, 8) == 8 && read(pipes[0], &a, 8) == 8 && a == i);
    CHECK(close(-1) == -1 && errno == EBADF);
  }
  return NULL;
}
int main(void) {
  toggle_open();
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, calls, NULL);
  for (int i = 0; i < 100; ++i) toggle(i % 2);
  stop = 1;
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  puts("calls right");
}
