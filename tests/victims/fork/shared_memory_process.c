// clone with CLONE_VM but neither CLONE_THREAD nor CLONE_VFORK: two processes run in one address space at once.
// EXPECT: counted 200000 together
#include "../victim.h"
static volatile long counter;
static int start(void* argument) {
  for (int i = 0; i < 100000; ++i) __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
  return 0;
}
int main(void) {
  char* stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EACH_ROUND {
    int status;
    counter = 0;
    pid_t child = clone(start, stack + 65536, CLONE_VM | SIGCHLD, NULL);
    CHECK(child > 0);
    start(NULL);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  printf("counted %ld together\n", counter);
}
