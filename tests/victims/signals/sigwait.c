// sigwaitinfo, sigtimedwait and sigwait take signals without a handler, in a thread of its own.
// EXPECT: waited ok
#include "../victim.h"
static void* sender(void* unused) {
  for (int i = 0; i < 20; ++i) {
    usleep(500);
    sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = i});
  }
  return NULL;
}
int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 4);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  struct timespec brief = {0, 5000000};
  CHECK(sigtimedwait(&set, NULL, &brief) == -1 && errno == EAGAIN);
  EACH_ROUND {
    pthread_t thread;
    pthread_create(&thread, NULL, sender, NULL);
    for (int i = 0; i < 20; ++i) {
      siginfo_t info;
      CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 4);
      CHECK(info.si_value.sival_int == i && info.si_pid == getpid());
    }
    pthread_join(thread, NULL);
  }
  puts("waited ok");
}
