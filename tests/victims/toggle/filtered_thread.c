// A thread that has never been in the cache goes there under a filter that kills whoever asks for a thread's id.
// MODES: default, one-instruction, flush-every, callgrind
// EXPECT: ran to the end 3 times
#include "filtered.h"
static void* work(void* unused) {
  work_on();
  return NULL;
}
static void run(void) {
  pthread_t thread;
  toggle(0);
  pthread_create(&thread, NULL, work, NULL);
  wait_for_work();
  forbid_gettid(SECCOMP_FILTER_FLAG_TSYNC);
  toggle(1);
  wait_for_work();
  stop = 1;
  pthread_join(thread, NULL);
}
int main(void) {
  run_children(run);
}
