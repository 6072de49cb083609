// Bad arguments fail as natively: unknown numbers, bad pointers, negative ones.
// EXPECT: errors ok
#include "../victim.h"
int main(void) {
  EACH_ROUND {
    CHECK(syscall(9999) == -1 && errno == ENOSYS);
    CHECK(syscall(-1L) == -1 && errno == ENOSYS);
    CHECK(write(1, (void*)8, 5) == -1 && errno == EFAULT);
    CHECK(open((char*)8, O_RDONLY) == -1 && errno == EFAULT);
    CHECK(sigaction(SIGKILL, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8) == -1 && errno == EFAULT);
    CHECK(munmap((void*)1, 4096) == -1 && errno == EINVAL);
    CHECK(mprotect((void*)4096, 4096, PROT_READ) == -1 && errno == ENOMEM);
    CHECK(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_arch_prctl, 0x7777, 0) == -1 && errno == EINVAL);
    char* const none[] = {NULL};
    CHECK(execve("/dev/null", none, none) == -1 && errno == EACCES);
  }
  puts("errors ok");
}
