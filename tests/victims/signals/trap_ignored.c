// SIGTRAP set to be ignored stays so over the agent's own traps, over threads, a fork and an exec.
// RUN: none --trace-children=yes
// SKIP: toggle: a stop of the app in native code may reset it, see ARCHITECTURE.md
// SKIP: massif: its breakpoint in the loader resets it, see ARCHITECTURE.md
// SKIP: massif-toggle: likewise
// EXPECT: ignored all the time
#include <dlfcn.h>
#include <sys/wait.h>
#include "../victim.h"
extern char** environ;
static void* handler_now(void) {
  struct sigaction action;
  CHECK(sigaction(SIGTRAP, NULL, &action) == 0);
  return (void*)action.sa_handler;
}
static void* ignored(void* unused) {
  for (int i = 0; i < 5; ++i) {
    raise(SIGTRAP);
    CHECK(handler_now() == (void*)SIG_IGN);
  }
  return unused;
}
int main(int argc, char** argv) {
  if (argc > 1) {  // inherited
    ignored(NULL);
    return 7;
  }
  signal(SIGTRAP, SIG_IGN);
  EACH_ROUND {
    // New code makes the agent ask the supervisor by a trap; popf is stepped or tested.
    uint8_t* code = code_pages(4096);
    put_return(code, 42);
    CHECK(((int (*)(void))code)() == 42);
    munmap(code, 4096);
    pthread_t thread;
    pthread_create(&thread, NULL, ignored, NULL);
    ignored(NULL);
    pthread_join(thread, NULL);
  }
  int status = 0;
  if (fork() == 0) {
    ignored(NULL);
    char* arguments[] = {argv[0], "again", NULL};
    execve("/proc/self/exe", arguments, environ);
    _exit(1);
  }
  CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  kill(getpid(), SIGTRAP);
  CHECK(handler_now() == (void*)SIG_IGN);
  puts("ignored all the time");
}
