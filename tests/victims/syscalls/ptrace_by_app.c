// A program that asks to be traced or traces a child gets an answer, not a hang.
// EXPECT: traced child exits 5
#include "../victim.h"
#include <sys/ptrace.h>
int main(void) {
  // Who is traced already is refused a second tracer: both outcomes are in order.
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) raise(SIGSTOP);
    _exit(5);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFSTOPPED(status)) {
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child);
  }
  printf("traced child exits %d\n", WEXITSTATUS(status));
}
