// A tree of 63 processes, five levels of two children each, that report through a pipe.
// EXPECT: 63 processes
#include "../victim.h"
static int pipes[2];
static void node(int level) {
  write(pipes[1], "x", 1);
  if (level == 5) return;
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) {
      node(level + 1);
      _exit(0);
    }
  }
  for (int i = 0; i < 2; ++i) waitpid(children[i], NULL, 0);
}
int main(void) {
  CHECK(pipe(pipes) == 0);
  node(0);
  close(pipes[1]);
  int n = 0;
  char c;
  while (read(pipes[0], &c, 1) == 1) ++n;
  printf("%d processes\n", n);
}
