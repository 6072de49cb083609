// Waits that toggles interrupt near their end, with a time limit in memory, still end in time: before a sleep that began
// with them and lasts two seconds longer, and not after waiting for all of their time once more.
// MODES: default, callgrind
// EXPECT: 4 waits ended in time
#include <linux/aio_abi.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include "toggle.h"
static pthread_barrier_t begin;
static volatile int over, in_time;
static int sem;
static void* wait_for(void* kind) {
  struct timespec limit = {3, 0};
  struct sembuf down = {0, -1, 0};
  struct epoll_event ready;
  struct io_event done;
  aio_context_t context = 0;
  sigset_t waited;
  sigemptyset(&waited);
  sigaddset(&waited, SIGUSR1);
  int epoll = epoll_create1(0);
  CHECK(syscall(SYS_io_setup, 1, &context) == 0);
  pthread_barrier_wait(&begin);
  switch ((long)kind) {
    case 0: CHECK(syscall(SYS_semtimedop, sem, &down, 1, &limit) == -1 && errno == EAGAIN); break;
    case 1: CHECK(sigtimedwait(&waited, NULL, &limit) == -1 && errno == EAGAIN); break;
    case 2: CHECK(syscall(SYS_epoll_pwait2, epoll, &ready, 1, &limit, NULL, 0) == 0); break;
    default: CHECK(syscall(SYS_io_getevents, context, 1, 1, &done, &limit) == 0);
  }
  CHECK(limit.tv_sec == 3 && limit.tv_nsec == 0);
  if (!over) __atomic_fetch_add(&in_time, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static void* sleep_longer(void* unused) {
  struct timespec time = {5, 0};
  pthread_barrier_wait(&begin);
  while (nanosleep(&time, &time) != 0) continue;
  over = 1;
  return NULL;
}
int main(void) {
  toggle_open();
  sigset_t waited;
  sigemptyset(&waited);
  sigaddset(&waited, SIGUSR1);
  sigprocmask(SIG_BLOCK, &waited, NULL);
  sem = semget(IPC_PRIVATE, 1, 0600);
  pthread_t threads[5];
  pthread_barrier_init(&begin, NULL, 6);
  for (long i = 0; i < 5; ++i) pthread_create(&threads[i], NULL, i < 4 ? wait_for : sleep_longer, (void*)i);
  pthread_barrier_wait(&begin);
  usleep(2500000);
  for (int i = 0; i < 4; ++i) toggle(i % 2);
  for (int i = 0; i < 5; ++i) pthread_join(threads[i], NULL);
  semctl(sem, 0, IPC_RMID);
  printf("%d waits ended in time\n", in_time);
}
