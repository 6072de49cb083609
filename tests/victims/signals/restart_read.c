// A read interrupted by a handler goes on by itself with SA_RESTART and fails with EINTR without.
// EXPECT: restarted and interrupted
#include "../victim.h"
static int pipes[2];
static volatile int handled;
static void handler(int signal, siginfo_t* info, void* context) { ++handled; }
static pid_t reader;
// Whether the first word behind the program's name in one of the reader's files in /proc is this.
static int shows(const char* name, const char* word) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/self/task/%d/%s", reader, name);
  int fd = open(path, O_RDONLY);
  ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[size > 0 ? size : 0] = 0;
  char* behind = strrchr(text, ')');
  return strncmp(behind ? behind + 2 : text, word, strlen(word)) == 0;
}
// A signal that comes before the reader sleeps again interrupts nothing.
static void wait_for_reader(void) {
  do usleep(1000);
  while (!shows("stat", "S ") || !shows("syscall", "0 "));
}
static void* sender(void* target) {
  for (int i = 0; i < 3; ++i) {
    wait_for_reader();
    pthread_kill((pthread_t)target, SIGUSR1);
    while (handled == i) usleep(100);
  }
  wait_for_reader();
  write(pipes[1], "hello", 5);
  return NULL;
}
int main(void) {
  CHECK(pipe(pipes) == 0);
  reader = getpid();
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
