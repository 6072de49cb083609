// A program that executes itself 20 times with the same pid, by path, by descriptor and through a script's interpreter.
// RUN: none --trace-children=yes
// EXPECT: chain 20 same pid
#include "../victim.h"
extern char** environ;
int main(int argc, char** argv) {
  int n = argc > 1 ? atoi(argv[1]) : 0;
  int first = argc > 2 ? atoi(argv[2]) : getpid();
  if (n == 20) {
    printf("chain %d %s\n", n, first == getpid() ? "same pid" : "other pid");
    return 0;
  }
  char next[16], pid[16];
  snprintf(next, sizeof next, "%d", n + 1);
  snprintf(pid, sizeof pid, "%d", first);
  char* arguments[] = {argv[0], next, pid, NULL};
  if (n % 3 == 0) execve("/proc/self/exe", arguments, environ);
  if (n % 3 == 1) fexecve(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), arguments, environ);
  execv(argv[0], arguments);
  CHECK(!"exec failed");
}
