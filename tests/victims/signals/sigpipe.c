// Writing to a pipe without a reader: EPIPE when ignored, death by SIGPIPE when not.
// EXPECT: ignored EPIPE
// EXIT: SIGPIPE
#include "../victim.h"
int main(void) {
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  close(pipes[0]);
  signal(SIGPIPE, SIG_IGN);
  CHECK(write(pipes[1], "x", 1) == -1 && errno == EPIPE);
  puts("ignored EPIPE");
  fflush(stdout);
  signal(SIGPIPE, SIG_DFL);
  write(pipes[1], "x", 1);
  puts("not reached");
}
