// pselect, ppoll and epoll_pwait change the mask for the wait only, atomically.
// EXPECT: masks ok
#include "../victim.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
static volatile int handled;
static void handler(int signal, siginfo_t* info, void* context) { ++handled; }
int main(void) {
  on_signal(SIGUSR1, handler);
  sigset_t block, open_, now;
  sigemptyset(&block);
  sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, &open_);
  int epoll = epoll_create1(0);
  EACH_ROUND {
    struct timespec limit = {5, 0};
    struct epoll_event event;
    handled = 0;
    kill(getpid(), SIGUSR1);
    CHECK(handled == 0);
    CHECK(pselect(0, NULL, NULL, NULL, &limit, &open_) == -1 && errno == EINTR && handled == 1);
    kill(getpid(), SIGUSR1);
    CHECK(ppoll(NULL, 0, &limit, &open_) == -1 && errno == EINTR && handled == 2);
    kill(getpid(), SIGUSR1);
    CHECK(epoll_pwait(epoll, &event, 1, 5000, &open_) == -1 && errno == EINTR && handled == 3);
    kill(getpid(), SIGUSR1);
    CHECK(sigsuspend(&open_) == -1 && errno == EINTR && handled == 4);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1));
  }
  puts("masks ok");
}
