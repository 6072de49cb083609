// A signalfd delivers signals as data, with epoll.
// EXPECT: signalfd ok
#include "../victim.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>
int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_CLOEXEC), epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  EACH_ROUND {
    kill(getpid(), SIGUSR1);
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
    struct signalfd_siginfo info;
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1 && info.ssi_pid == (unsigned)getpid());
    pid_t child = fork();
    if (child == 0) _exit(3);
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGCHLD && info.ssi_status == 3);
    waitpid(child, NULL, 0);
  }
  puts("signalfd ok");
}
