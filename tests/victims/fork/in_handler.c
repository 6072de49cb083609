// fork inside a signal handler: the child returns through the same frame.
// EXPECT: both returned
#include "../victim.h"
static volatile pid_t child;
static void handler(int signal, siginfo_t* info, void* context) { child = fork(); }
int main(void) {
  on_signal(SIGUSR1, handler);
  EACH_ROUND {
    volatile long sum = 0;
    raise(SIGUSR1);
    for (int i = 0; i < 1000; ++i) sum += i;
    CHECK(sum == 499500);
    if (child == 0) _exit(12);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 12);
  }
  puts("both returned");
}
