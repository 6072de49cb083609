// Threads blocked in calls that restart in different ways are moved without being woken, each exactly once released.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: all 7 released at their time
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/sem.h>
#include "toggle.h"
static int pipes[2], sem, word, released;
static void* blocked(void* argument) {
  struct timespec wait_time = {0, 400000000}, start, end, long_time = {100, 0};
  struct sembuf down = {0, -1, 0};
  struct pollfd wait_for = {pipes[0], POLLIN, 0};
  struct epoll_event event = {.events = EPOLLIN};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  int epoll = epoll_create1(0), signal;
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
  clock_gettime(CLOCK_MONOTONIC, &start);
  switch ((long)argument) {
    case 0: CHECK(nanosleep(&wait_time, NULL) == 0); break;
    case 1: CHECK(semop(sem, &down, 1) == 0); break;
    case 2: CHECK(poll(&wait_for, 1, 30000) == 1); break;
    case 3: CHECK(epoll_wait(epoll, &event, 1, 30000) == 1); break;
    case 4: CHECK(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &long_time) == 0); break;
    case 5: CHECK(sigwait(&set, &signal) == 0); break;
    case 6: CHECK(epoll_wait(epoll, &event, 1, -1) == 1); break;
    case 7: CHECK(poll(&wait_for, 1, -1) == 1); break;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  if ((long)argument == 0) {
    CHECK((end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6 >= 399);
    return NULL;
  }
  __atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
int main(void) {
  toggle_open();
  CHECK(pipe(pipes) == 0);
  sem = semget(IPC_PRIVATE, 1, 0600);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) pthread_create(&threads[i], NULL, blocked, (void*)i);
  usleep(50000);
  for (int i = 0; i < 20; ++i) {
    toggle(i % 2);
    usleep(2000);
    CHECK(released == 0);
  }
  struct sembuf up = {0, 1, 0};
  semop(sem, &up, 1);
  // It may be on its way back from the last toggle.
  while (syscall(SYS_futex, &word, FUTEX_WAKE, 1) == 0) usleep(1000);
  kill(getpid(), SIGUSR1);
  write(pipes[1], "x", 1);
  for (int i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  semctl(sem, 0, IPC_RMID);
  printf("all %d released at their time\n", released);
}
