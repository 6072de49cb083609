// A thread that has never been in the cache goes there under a filter of its own, which no other thread has, and which
// kills whoever asks for a thread's id.
// MODES: default, one-instruction, flush-every, callgrind
// EXPECT: ran to the end 3 times
#include "filtered.h"
static void* work(void* unused) {
  forbid_gettid(0);
  work_on();
  return NULL;
}
static void run(void) {
  pthread_t thread;
  toggle(0);
  pthread_create(&thread, NULL, work, NULL);
  wait_for_work();
  toggle(1);
  wait_for_work();
  stop = 1;
  pthread_join(thread, NULL);
}
int main(void) {
  run_children(run);
}
