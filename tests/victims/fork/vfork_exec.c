// vfork and exec, good and failing: the child shares the memory and stack of its suspended parent.
// RUN: none --trace-children=yes
// EXPECT: vfork ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    for (int i = 0; i < 5; ++i) {
      volatile int shared = 0;
      int status;
      pid_t child = vfork();
      if (child == 0) {
        shared = 5;
        execl("/no/such/program", "x", NULL);
        shared = shared * 10 + (errno == ENOENT);
        _exit(7);
      }
      CHECK(shared == 51 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
      child = vfork();
      if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", NULL);
        _exit(1);
      }
      CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
    }
  }
  puts("vfork ok");
}
