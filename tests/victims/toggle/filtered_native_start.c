// A process that has never been in the cache is not taken there while one of its threads has a filter of its own: what
// the agent asks of the system might kill it.
// RUN: none --instr-atstart=no
// MODES: default, one-instruction, callgrind
// EXPECT: ran to the end 3 times
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include "toggle.h"
static volatile long rounds;
static void* work(void* unused) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
  for (;;) ++rounds;
}
static void wait_for_work(void) {
  long now = rounds;
  while (rounds < now + 1000) usleep(1000);
}
int main(void) {
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      toggle_open();
      pthread_create(&thread, NULL, work, NULL);
      wait_for_work();
      toggle(1);
      wait_for_work();
      _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    ended += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  printf("ran to the end %d times\n", ended);
}
