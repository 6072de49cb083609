// A limit on the address space that the program sets for itself counts its own memory only, and is read back as it was set.
// MODES: default, one-instruction, no-link, tiny-cache, flush-every, check-all, verify
// EXPECT: address limit ok
#include "../victim.h"
#include <sys/resource.h>
int main(void) {
  struct rlimit before, limit = {512 << 20, RLIM_INFINITY}, after;
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  limit.rlim_max = before.rlim_max;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK(getrlimit(RLIMIT_AS, &after) == 0 && after.rlim_cur == limit.rlim_cur && after.rlim_max == limit.rlim_max);
  void* small = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(small != MAP_FAILED);
  errno = 0;
  CHECK(mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 0", NULL);
    _exit(1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  puts("address limit ok");
}
