// siginfo of sigqueue, kill, timer_create, a child and a fault: every field as natively.
// LIBS: -lrt
// EXPECT: siginfo ok
#include "../victim.h"
siginfo_t last;
static volatile int count;
static void handler(int signal, siginfo_t* info, void* context) {
  last = *info;
  ++count;
}
int main(void) {
  on_signal(SIGUSR1, handler);
  on_signal(SIGCHLD, handler);
  on_signal(SIGRTMIN + 2, handler);
  EACH_ROUND {
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = (void*)0x1234567890});
    CHECK(last.si_code == SI_QUEUE && last.si_pid == getpid() && last.si_uid == getuid() && last.si_value.sival_ptr == (void*)0x1234567890);
    kill(getpid(), SIGUSR1);
    CHECK(last.si_code == SI_USER && last.si_pid == getpid());
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 77};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec when = {{0, 0}, {0, 1000000}};
    int before = count;
    timer_settime(timer, 0, &when, NULL);
    while (count == before) {}
    CHECK(last.si_code == SI_TIMER && last.si_value.sival_int == 77);
    timer_delete(timer);
    before = count;
    pid_t child = fork();
    if (child == 0) _exit(9);
    while (count == before) usleep(500);
    CHECK(last.si_code == CLD_EXITED && last.si_pid == child && last.si_status == 9);
    CHECK(waitpid(child, NULL, 0) == child);
  }
  puts("siginfo ok");
}
