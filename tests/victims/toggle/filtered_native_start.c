// A process that has never been in the cache is not taken there while one of its threads has a filter of its own: what
// the agent asks of the system might kill it.
// RUN: none --instr-atstart=no
// MODES: default, one-instruction, callgrind
// EXPECT: ran to the end 3 times
#include "filtered.h"
static void* work(void* unused) {
  forbid_everything();
  work_on();
  return NULL;
}
static void run(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  wait_for_work();
  toggle_self(1);
  wait_for_work();
}
int main(void) {
  run_children(run);
}
