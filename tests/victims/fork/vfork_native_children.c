// The same with children that are not traced into: forks are followed, what they execute runs native.
// RUN: none --trace-children=no
// EXPECT: vfork ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    for (int i = 0; i < 5; ++i) {
      int status;
      pid_t child = i % 2 ? vfork() : fork();
      if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", NULL);
        _exit(1);
      }
      CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
    }
  }
  puts("vfork ok");
}
