// A double fork: the grandchild outlives both and still computes; vsup waits for it.
// EXPECT: orphan done
#include "../victim.h"
int main(void) {
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      setsid();
      usleep(60000);
      volatile long sum = 0;
      for (int i = 0; i < 100000; ++i) sum += i;
      write(pipes[1], sum == 4999950000 ? "orphan done\n" : "orphan wrong\n", 12);
      _exit(0);
    }
    _exit(0);
  }
  waitpid(child, NULL, 0);
  close(pipes[1]);
  char text[32];
  ssize_t n = read(pipes[0], text, sizeof text);
  CHECK(n == 12);
  write(1, text, (size_t)n);
}
