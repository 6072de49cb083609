// The app's descriptors are its own: few allowed, all closed, numbers as natively, none of vsup's inherited.
// EXPECT: first free 3, limit kept
#include "../victim.h"
#include <sys/resource.h>
int main(void) {
  EACH_ROUND {
    int fd = open("/dev/null", O_RDONLY);
    CHECK(fd == 3);
    close(fd);
    struct rlimit limit = {16, 16}, old;
    getrlimit(RLIMIT_NOFILE, &old);
    limit.rlim_max = old.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int opened = 0;
    while (open("/dev/null", O_RDONLY) >= 0) ++opened;
    CHECK(errno == EMFILE && opened == 13);
    CHECK(close_range(3, ~0u, 0) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    pid_t child = fork();
    if (child == 0) {
      close_range(0, ~0u, 0);
      _exit(open("/dev/null", O_RDONLY) == 0 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  puts("first free 3, limit kept");
}
