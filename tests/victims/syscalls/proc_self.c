// /proc/self: exe, cmdline, comm, fd, auxv and the environment are the program's own.
// EXPECT: proc_self proc_self 0
#include "../victim.h"
#include <dirent.h>
#include <libgen.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
int main(int argc, char** argv) {
  char path[4096], comm[16];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(n > 0);
  path[n] = 0;
  prctl(PR_GET_NAME, comm);
  int extra = 0;
  DIR* fds = opendir("/proc/self/fd");
  for (struct dirent* e; (e = readdir(fds));) extra += e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(fds);
  CHECK(getauxval(AT_PAGESZ) == 4096 && strcmp((char*)getauxval(AT_EXECFN), argv[0]) == 0);
  CHECK(!getenv("LD_PRELOAD") && getppid() > 0);
  printf("%s %s %d\n", basename(path), comm, extra);
}
