// A signal that is ignored, though it would kill by default, does not wake or harm a thread that is blocked in a call.
// EXPECT: child ended with 3
#include "../victim.h"
#include <sys/wait.h>
int main(void) {
  signal(SIGUSR2, SIG_IGN);
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 5; ++i) {
      usleep(30000);
      kill(getppid(), SIGUSR2);
    }
    usleep(30000);
    _exit(3);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  printf("child ended with %d\n", WEXITSTATUS(status));
}
