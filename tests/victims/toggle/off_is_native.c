// After a switch off no thread's pc lies in the agent's arena: blocked and computing ones are asked.
// MODES: default, one-instruction, no-link, tiny-cache
// EXPECT: native for sure
#include "toggle.h"
static int pipes[2];
static volatile int tid, stop;
static void* reader(void* unused) {
  char c;
  tid = (int)syscall(SYS_gettid);
  read(pipes[0], &c, 1);
  return NULL;
}
int main(void) {
  toggle_open();
  CHECK(pipe(pipes) == 0);
  pthread_t thread;
  pthread_create(&thread, NULL, reader, NULL);
  usleep(20000);
  for (int i = 0; i < 10; ++i) {
    toggle(0);
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/self/task/%d", tid);
    CHECK(!in_arena(pc_in_call(folder)));
    toggle(1);
  }
  write(pipes[1], "x", 1);
  pthread_join(thread, NULL);
  puts("native for sure");
}
