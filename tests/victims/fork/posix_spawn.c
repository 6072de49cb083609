// posix_spawn (CLONE_VM and CLONE_VFORK with a stack of its own), system and popen.
// RUN: none --trace-children=yes
// EXPECT: spawned ok
#include "../victim.h"
#include <spawn.h>
extern char** environ;
int main(void) {
  EACH_ROUND {
    for (int i = 0; i < 3; ++i) {
      pid_t child;
      int status;
      char* arguments[] = {"sh", "-c", "exit 21", NULL};
      CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0);
      CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 21);
      CHECK(posix_spawn(&child, "/no/such", NULL, NULL, arguments, environ) == ENOENT);
      CHECK(WEXITSTATUS(system("exit 4")) == 4);
      FILE* pipe = popen("echo from pipe | cat", "r");
      char line[64];
      CHECK(fgets(line, sizeof line, pipe) && strcmp(line, "from pipe\n") == 0 && pclose(pipe) == 0);
    }
  }
  puts("spawned ok");
}
