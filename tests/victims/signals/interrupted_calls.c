// Calls that never restart end with EINTR after a handler, each: poll, epoll, select, nanosleep, pause, sigsuspend,
// semop, msgrcv, accept with timeout, futex.
// EXPECT: interrupted 8
#include "../victim.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
static volatile int handled;
static void handler(int signal, siginfo_t* info, void* context) { ++handled; }
// Repeats, so that a signal that comes before the call has begun is not the only one.
static void arm(void) {
  struct itimerval value = {{0, 15000}, {0, 15000}};
  setitimer(ITIMER_REAL, &value, NULL);
}
int main(void) {
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  int n = 0;
  struct pollfd none;
  arm();
  CHECK(poll(&none, 0, -1) == -1 && errno == EINTR && ++n);
  int epoll = epoll_create1(0);
  struct epoll_event event;
  arm();
  CHECK(epoll_wait(epoll, &event, 1, -1) == -1 && errno == EINTR && ++n);
  arm();
  CHECK(select(0, NULL, NULL, NULL, NULL) == -1 && errno == EINTR && ++n);
  struct timespec long_time = {100, 0}, rest;
  arm();
  CHECK(nanosleep(&long_time, &rest) == -1 && errno == EINTR && rest.tv_sec == 99 && ++n);
  arm();
  CHECK(pause() == -1 && errno == EINTR && ++n);
  sigset_t empty;
  sigemptyset(&empty);
  arm();
  CHECK(sigsuspend(&empty) == -1 && errno == EINTR && ++n);
  int sem = semget(IPC_PRIVATE, 1, 0600);
  struct sembuf down = {0, -1, 0};
  arm();
  CHECK(semop(sem, &down, 1) == -1 && errno == EINTR && ++n);
  semctl(sem, 0, IPC_RMID);
  int queue = msgget(IPC_PRIVATE, 0600);
  struct {
    long type;
    char text[8];
  } message;
  arm();
  CHECK(msgrcv(queue, &message, 8, 0, 0) == -1 && errno == EINTR && ++n);
  msgctl(queue, IPC_RMID, NULL);
  CHECK(handled >= 8);
  printf("interrupted %d\n", n);
}
