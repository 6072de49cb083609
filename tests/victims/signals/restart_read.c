// A read interrupted by a handler goes on by itself with SA_RESTART and fails with EINTR without.
// EXPECT: restarted and interrupted
#include "../victim.h"
static int pipes[2];
static volatile int handled;
static void handler(int signal, siginfo_t* info, void* context) { ++handled; }
static void* sender(void* target) {
  for (int i = 0; i < 3; ++i) {
    usleep(10000);
    pthread_kill((pthread_t)target, SIGUSR1);
  }
  usleep(10000);
  write(pipes[1], "hello", 5);
  return NULL;
}
int main(void) {
  CHECK(pipe(pipes) == 0);
  for (int turn = 0; turn < 2; ++turn) {
    on_signal_flags(SIGUSR1, handler, turn == 0 ? SA_RESTART : 0);
    pthread_t thread;
    char buffer[8];
    handled = 0;
    pthread_create(&thread, NULL, sender, (void*)pthread_self());
    int interrupted = 0;
    ssize_t n;
    while ((n = read(pipes[0], buffer, sizeof buffer)) == -1) {
      CHECK(errno == EINTR);
      ++interrupted;
    }
    CHECK(n == 5 && handled == 3);
    CHECK(turn == 0 ? interrupted == 0 : interrupted == 3);
    pthread_join(thread, NULL);
  }
  puts("restarted and interrupted");
}
