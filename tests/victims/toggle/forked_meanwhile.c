// A switch off while children are forked: when it is answered no child's pc lies in the agent's arena.
// MODES: default, one-instruction, no-link, tiny-cache, callgrind
// EXPECT: all had moved
#include <sys/prctl.h>

#include "toggle.h"
enum { kRounds = 16, kChildren = 8 };
static volatile int round_of_forks, forked, stop;
static volatile pid_t children[kChildren];
static void* forks(void* unused) {
  for (int seen = 0; !stop;) {
    if (round_of_forks == seen) {
      sched_yield();
      continue;
    }
    seen = round_of_forks;
    for (int i = 0; i < kChildren; ++i) {
      children[i] = fork();
      CHECK(children[i] >= 0);
      if (children[i] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
      }
      forked = i + 1;
    }
  }
  return NULL;
}
static uint64_t pc_of(pid_t pid) {
  char folder[32];
  snprintf(folder, sizeof folder, "/proc/%d", pid);
  return pc_in_call(folder);
}
int main(void) {
  toggle_open();
  pthread_t thread;
  pthread_create(&thread, NULL, forks, NULL);
  for (int i = 0; i < kRounds; ++i) {
    toggle(1);
    forked = 0;
    ++round_of_forks;
    while (forked < 1 + i % (kChildren / 2)) sched_yield();
    toggle(0);
    const int there = forked;
    for (int child = 0; child < there; ++child) CHECK(!in_arena(pc_of(children[child])));
    while (forked < kChildren) sched_yield();
    for (int child = 0; child < kChildren; ++child) {
      CHECK(!in_arena(pc_of(children[child])));
      kill(children[child], SIGKILL);
      CHECK(waitpid(children[child], NULL, 0) == children[child]);
    }
  }
  stop = 1;
  toggle(1);
  pthread_join(thread, NULL);
  puts("all had moved");
}
