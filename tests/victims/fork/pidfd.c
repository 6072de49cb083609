// pidfd_open, pidfd_send_signal and waitid by descriptor on a followed child; PR_SET_PDEATHSIG.
// EXPECT: pidfd ok
#include "../victim.h"
#include <poll.h>
#include <sys/prctl.h>
int main(void) {
  EACH_ROUND {
    pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
    struct pollfd wait_for = {fd, POLLIN, 0};
    CHECK(poll(&wait_for, 1, 5000) == 1);
    siginfo_t info;
    CHECK(waitid((idtype_t)3, (id_t)fd, &info, WEXITED) == 0 && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
    close(fd);
  }
  puts("pidfd ok");
}
