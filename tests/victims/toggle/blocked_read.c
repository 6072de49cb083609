// A thread blocked in read() is moved in both directions without being woken, and its read then completes.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: got 5 bytes
#include "toggle.h"
static int pipes[2];
static volatile int returned;
static void* reader(void* unused) {
  char buffer[8];
  ssize_t n = read(pipes[0], buffer, 5);
  returned = 1;
  return (void*)n;
}
int main(void) {
  toggle_open();
  CHECK(pipe(pipes) == 0);
  pthread_t thread;
  pthread_create(&thread, NULL, reader, NULL);
  usleep(20000);
  for (int i = 0; i < 20; ++i) {
    toggle(i % 2);
    CHECK(!returned);
  }
  write(pipes[1], "hello", 5);
  void* n;
  pthread_join(thread, &n);
  printf("got %ld bytes\n", (long)n);
}
