// A process that enters strict seccomp after its start, and one with a filter that forbids what only vsup might call.
// EXPECT: strict 9 filter 7
#include "../victim.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
int main(void) {
  int strict = 0, filter = 0;
  EACH_ROUND {
    int status;
    pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
      volatile long sum = 0;
      for (int i = 0; i < 100000; ++i) sum += i;
      syscall(SYS_exit, 9);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    strict = WEXITSTATUS(status);
    child = fork();
    if (child == 0) {
      // Kills on mmap, mprotect, munmap, memfd_create and open.
      struct sock_filter code[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 5, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 4, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 3, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 2, 0),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      };
      struct sock_fprog program = {sizeof code / sizeof *code, code};
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
      volatile long sum = 0;
      for (int i = 0; i < 100000; ++i) sum += i % 7;
      raise(SIGCONT);
      syscall(SYS_exit_group, 7);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    filter = WEXITSTATUS(status);
  }
  printf("strict %d filter %d\n", strict, filter);
}
