// An ignored signal does not cut a large write short; a handled one does, and the answer is what had been written.
// TIMEOUT: 40
// EXPECT: ignored: whole
// EXPECT: handled: as much as was read
#include <sys/wait.h>
#include "../victim.h"
enum { kSize = 600000 };
static char data[kSize];
static int ends[2];
static long result;
static volatile sig_atomic_t handled;
static void handler(int signal) { handled = 1; }
static void* writes(void* unused) {
  result = write(ends[1], data, kSize);
  close(ends[1]);
  return unused;
}
static long drain(long most) {
  static char buffer[65536];
  long have = 0;
  while (have < most) {
    ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got <= 0) break;
    have += got;
  }
  return have;
}
static long run(int number) {
  pthread_t thread;
  CHECK(pipe(ends) == 0 && pthread_create(&thread, NULL, writes, NULL) == 0);
  usleep(20000);
  long have = drain(100000);
  for (int i = 0; i < 5; ++i) {
    usleep(3000);
    if (number) pthread_kill(thread, number);
    if (!number) {
      pthread_kill(thread, i % 2 ? SIGUSR2 : SIGCHLD);
      pthread_kill(thread, SIGWINCH);
    }
  }
  have += drain(kSize);
  pthread_join(thread, NULL);
  close(ends[0]);
  return have;
}
int main(void) {
  signal(SIGUSR2, SIG_IGN);
  CHECK(run(0) == kSize);
  puts(result == kSize ? "ignored: whole" : "ignored: cut short");
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &action, NULL);
  long have = run(SIGUSR1);
  puts(handled && result == have && have < kSize ? "handled: as much as was read" : "handled: otherwise");
}
