// A thread that has never been in the cache goes there under a filter of its own, which no other thread has, and which
// kills whoever asks for a thread's id.
// MODES: default, one-instruction, flush-every, callgrind
// EXPECT: ran to the end 3 times
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include "toggle.h"
static volatile int stop;
static volatile long rounds;
static void* work(void* unused) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
  while (!stop) ++rounds;
  return NULL;
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
      toggle(0);
      pthread_create(&thread, NULL, work, NULL);
      wait_for_work();
      toggle(1);
      wait_for_work();
      stop = 1;
      pthread_join(thread, NULL);
      _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    ended += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  printf("ran to the end %d times\n", ended);
}
