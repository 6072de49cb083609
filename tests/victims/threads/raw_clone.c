// clone() by hand: a thread with a stack of its own, CLONE_CHILD_CLEARTID and no libc start-up.
// EXPECT: raw thread 100
#include "../victim.h"
#include <linux/futex.h>
static volatile int tid_word, value;
static int start(void* argument) {
  for (int i = 0; i < 100; ++i) ++value;
  return 0;
}
int main(void) {
  char* stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EACH_ROUND {
    value = 0;
    tid_word = 1;
    uint64_t tls;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(tls));
    int tid = clone(start, stack + 65536,
                    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID, NULL,
                    NULL, NULL, (void*)&tid_word);
    CHECK(tid > 0);
    while (tid_word) syscall(SYS_futex, &tid_word, FUTEX_WAIT, 1, NULL);
    CHECK(value == 100);
  }
  printf("raw thread %d\n", value);
}
