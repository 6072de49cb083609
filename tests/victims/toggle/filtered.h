// Purpose: children with a thread that works, and filters of system calls that kill: what vsup asks of the system at a
// switch must not be what the filter forbids.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "toggle.h"

static volatile int stop;
static volatile long rounds;

static inline void work_on(void) {
  while (!stop) ++rounds;
}

static inline void wait_for_work(void) {
  long now = rounds;
  while (rounds < now + 1000) usleep(1000);
}

static inline void set_filter(struct sock_filter* code, unsigned short count, unsigned flags) {
  struct sock_fprog program = {count, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0);
}

// Kills the calling thread's process for any system call of its.
static inline void forbid_everything(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  set_filter(code, 1, 0);
}

// Kills whoever asks for a thread's id.
static inline void forbid_gettid(unsigned flags) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  set_filter(code, sizeof code / sizeof *code, flags);
}

// Runs three children, one after the other, and says how many came to their end.
static inline void run_children(void (*run)(void)) {
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork();
    if (child == 0) {
      toggle_open();
      run();
      _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    ended += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  printf("ran to the end %d times\n", ended);
}
