// Timer signals in a loop of short system calls: each call's result stays right.
// EXPECT: calls right
#include "../victim.h"
static volatile int ticks;
// Anew after each signal: however slow its delivery is, the program goes on in between.
static void arm(void) {
  struct itimerval value = {{0, 0}, {0, 300}};
  setitimer(ITIMER_REAL, &value, NULL);
}
static void handler(int signal, siginfo_t* info, void* context) {
  int kept = errno;
  getuid();
  close(-1);
  ++ticks;
  arm();
  errno = kept;
}
int main(void) {
  on_signal_flags(SIGALRM, handler, SA_RESTART);
  arm();
  int pid = getpid(), pipes[2];
  CHECK(pipe(pipes) == 0);
  int turns = 0;
  while (turns < 3000 || elapsed_ms() < 80) {
    ++turns;
    char c = (char)turns, d = 0;
    CHECK(syscall(SYS_getpid) == pid);
    CHECK(write(pipes[1], &c, 1) == 1 && read(pipes[0], &d, 1) == 1 && c == d);
    CHECK(close(-1) == -1 && errno == EBADF);
    CHECK(lseek(pipes[0], 0, SEEK_SET) == -1 && errno == ESPIPE);
  }
  CHECK(ticks > 5);
  puts("calls right");
}
