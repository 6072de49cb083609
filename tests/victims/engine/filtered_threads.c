// Threads with filters that kill for any system call go to new code at the same time: none of them may sleep while
// another one translates.
// EXPECT: 3 times the right sum
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "../victim.h"

enum { kFunctions = 20000, kSize = 16, kThreads = 2 };

static unsigned char* code;
static volatile int ready;
static volatile long sums[kThreads];

static void make_functions(void) {
  code = mmap(NULL, kFunctions * kSize, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(code != MAP_FAILED);
  for (int i = 0; i < kFunctions; ++i) {
    unsigned char* function = code + i * kSize;
    function[0] = 0xb8;  // mov $i, %eax; ret
    memcpy(function + 1, &i, 4);
    function[5] = 0xc3;
  }
}

static void* work(void* number) {
  const long self = (long)number;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  struct sock_fprog program = {1, filter};
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
  __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
  while (ready < kThreads) {
  }
  long sum = 0;
  for (int i = 0; i < kFunctions; ++i) sum += ((int (*)(void))(code + i * kSize))();
  sums[self] = sum + 1;
  for (;;) {
  }
}

static int run(void) {
  make_functions();
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  for (long i = 0; i < kThreads; ++i) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, (void*)i) == 0);
  }
  for (long i = 0; i < kThreads; ++i) {
    while (sums[i] == 0) usleep(1000);
    if (sums[i] != (long)kFunctions * (kFunctions - 1) / 2 + 1) return 8;
  }
  return 7;
}

int main(void) {
  int right = 0;
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork();
    if (child == 0) _exit(run());
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    right += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  printf("%d times the right sum\n", right);
}
