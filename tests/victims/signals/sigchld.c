// SIGCHLD for stopped, continued, killed and exited children, and SA_NOCLDWAIT.
// EXPECT: children ok
#include "../victim.h"
int main(void) {
  for (int turn = 0; turn < 3; ++turn) {
    pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);  // a group whose leader has a parent outside is not orphaned: SIGTSTP stops it
      raise(SIGSTOP);
      for (;;) pause();
    }
    int status;
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    kill(child, SIGTSTP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    siginfo_t info;
    child = fork();
    if (child == 0) _exit(33);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 33 && info.si_code == CLD_EXITED);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 33);
  }
  struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
  sigaction(SIGCHLD, &action, NULL);
  pid_t child = fork();
  if (child == 0) _exit(0);
  CHECK(waitpid(child, NULL, 0) == -1 && errno == ECHILD);
  puts("children ok");
}
