// clone without CLONE_VM on a stack of its own, with CLONE_PARENT_SETTID, and clone3.
// EXPECT: clones ok
#include "../victim.h"
#include <linux/sched.h>
static int start(void* argument) { return *(int*)argument; }
int main(void) {
  char* stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EACH_ROUND {
    int value = 23, status, parent_tid = 0;
    pid_t child = clone(start, stack + 65536, CLONE_PARENT_SETTID | SIGCHLD, &value, &parent_tid);
    CHECK(child > 0 && parent_tid == child);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 23);
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    CHECK(child >= 0);
    if (child == 0) _exit(24);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 24);
    child = clone(start, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 23);
  }
  puts("clones ok");
}
