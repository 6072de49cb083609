// A chain of execs in a child is switched from outside by its parent: each image starts in the desired mode.
// RUN: none --trace-children=yes
// MODES: default, one-instruction, tiny-cache
// EXPECT: chains 6
#include "toggle.h"
int main(int argc, char** argv) {
  if (argc > 1) {
    int n = atoi(argv[1]);
    if (n == 0) return 11;
    char next[16];
    snprintf(next, sizeof next, "%d", n - 1);
    execl("/proc/self/exe", argv[0], next, NULL);
    return 1;
  }
  toggle_open();
  int chains = 0;
  for (int i = 0; i < 6; ++i) {
    pid_t child = fork();
    if (child == 0) {
      execl("/proc/self/exe", argv[0], "5", NULL);
      _exit(1);
    }
    int status;
    for (int k = 0; waitpid(child, &status, WNOHANG) == 0; ++k) toggle(k % 2);
    chains += WIFEXITED(status) && WEXITSTATUS(status) == 11;
  }
  printf("chains %d\n", chains);
}
