// A wait with a timeout lasts as long as it should: right behind another at the same place in the program that ended
// by a signal, an event, or its own timeout, and when signals come that are ignored.
// EXPECT: 16 waits lasted
#include "../victim.h"
#include <sys/epoll.h>
#include <sys/sem.h>
static int epoll, sem, pipes[2];
static sigset_t waited;
static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
static void on_alarm(int number) { (void)number; }
static int __attribute__((noinline)) wait_for(int kind, int ms) {
  struct epoll_event event;
  struct sembuf down = {0, -1, 0};
  struct timespec limit = {ms / 1000, ms % 1000 * 1000000};
  switch (kind) {
    case 0: return epoll_wait(epoll, &event, 1, ms);
    case 1: return epoll_pwait(epoll, &event, 1, ms, &waited);
    case 2: return syscall(SYS_semtimedop, sem, &down, 1, &limit) < 0 && errno == EAGAIN ? 0 : -1;
    default: return sigtimedwait(&waited, NULL, &limit) < 0 && errno == EAGAIN ? 0 : -1;
  }
}
int main(void) {
  int lasted = 0;
  struct epoll_event event = {.events = EPOLLIN};
  struct itimerval soon = {{0, 0}, {0, 60000}}, often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  sigemptyset(&waited);
  sigaddset(&waited, SIGUSR1);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  epoll = epoll_create1(0);
  sem = semget(IPC_PRIVATE, 1, 0600);
  CHECK(pipe(pipes) == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event) == 0);
  for (int kind = 0; kind < 4; ++kind)
    for (int first = 0; first < 4; ++first) {
      if (first == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        CHECK(wait_for(kind, 20000) == -1 && errno == EINTR);
      } else if (first == 1) {
        char c;
        CHECK(kind > 1 || (write(pipes[1], "x", 1) == 1 && wait_for(kind, 20000) == 1 && read(pipes[0], &c, 1) == 1));
      } else if (first == 2) {
        CHECK(wait_for(kind, 40) == 0);
      } else {
        signal(SIGALRM, SIG_IGN);
        setitimer(ITIMER_REAL, &often, NULL);
      }
      double start = now_ms();
      CHECK(wait_for(kind, 90) == 0);
      double took = now_ms() - start;
      setitimer(ITIMER_REAL, &never, NULL);
      sigaction(SIGALRM, &action, NULL);
      if (took >= 89) ++lasted;
      else printf("kind %d behind %d took %.1f ms\n", kind, first, took);
    }
  semctl(sem, 0, IPC_RMID);
  printf("%d waits lasted\n", lasted);
}
