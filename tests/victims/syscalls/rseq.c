// Restartable sequences: glibc's registration, or its absence, and sched_getcpu keep working.
// EXPECT: rseq ok
#include "../victim.h"
#include <sys/rseq.h>
int main(void) {
  EACH_ROUND {
    int cpu = sched_getcpu();
    CHECK(cpu >= 0);
    if (__rseq_size) {
      struct rseq* area = (struct rseq*)((char*)__builtin_thread_pointer() + __rseq_offset);
      CHECK((int)area->cpu_id >= -2);
    }
    struct rseq mine __attribute__((aligned(32)));
    memset(&mine, 0, sizeof mine);
    long r = syscall(SYS_rseq, &mine, sizeof mine, 0, 0x53053053);
    CHECK(r == 0 || errno == EBUSY || errno == ENOSYS || errno == EINVAL || errno == EPERM);
    if (r == 0) syscall(SYS_rseq, &mine, sizeof mine, 1, 0x53053053);
  }
  puts("rseq ok");
}
