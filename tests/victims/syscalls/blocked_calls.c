// Calls that block are not ended by anything that vsup does: each returns only for its own event, which comes late.
// EXPECT: blocked 9 ok
// TIMEOUT: 30
#include "../victim.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
static int pipes[2], sockets[2], sem, queue, word;
static volatile int step;
static void* releaser(void* unused) {
  for (int i = 1; i <= 9; ++i) {
    while (step != i) usleep(500);
    usleep(25000);
    struct sembuf up = {0, 1, 0};
    struct {
      long type;
      char text[8];
    } message = {1, "hi"};
    if (i == 5) {
      semop(sem, &up, 1);
    } else if (i == 6) {
      msgsnd(queue, &message, 8, 0);
    } else if (i == 7) {
      __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
      syscall(SYS_futex, &word, FUTEX_WAKE, 1);
    } else if (i == 8) {
      send(sockets[1], "s", 1, 0);
    } else if (i == 9) {
      kill(getpid(), SIGUSR1);
    } else {
      write(pipes[1], "x", 1);
    }
  }
  return NULL;
}
int main(void) {
  char c;
  CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  sem = semget(IPC_PRIVATE, 1, 0600), queue = msgget(IPC_PRIVATE, 0600);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, releaser, NULL);
  step = 1;
  CHECK(read(pipes[0], &c, 1) == 1);
  step = 2;
  struct pollfd wait_for = {pipes[0], POLLIN, 0};
  CHECK(poll(&wait_for, 1, -1) == 1 && read(pipes[0], &c, 1) == 1);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
  step = 3;
  CHECK(epoll_wait(epoll, &event, 1, -1) == 1 && read(pipes[0], &c, 1) == 1);
  fd_set fds;
  FD_ZERO(&fds);
  FD_SET(pipes[0], &fds);
  step = 4;
  CHECK(select(pipes[0] + 1, &fds, NULL, NULL, NULL) == 1 && read(pipes[0], &c, 1) == 1);
  struct sembuf down = {0, -1, 0};
  step = 5;
  CHECK(semop(sem, &down, 1) == 0);
  struct {
    long type;
    char text[8];
  } message;
  step = 6;
  CHECK(msgrcv(queue, &message, 8, 0, 0) == 8);
  step = 7;
  while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST)) {
    long r = syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL);
    CHECK(r == 0 || errno == EAGAIN);
  }
  step = 8;
  CHECK(recv(sockets[0], &c, 1, 0) == 1);
  int signal;
  step = 9;
  CHECK(sigwait(&set, &signal) == 0 && signal == SIGUSR1);
  semctl(sem, 0, IPC_RMID);
  msgctl(queue, IPC_RMID, NULL);
  pthread_join(thread, NULL);
  puts("blocked 9 ok");
}
