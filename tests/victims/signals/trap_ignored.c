// SIGTRAP set to be ignored stays so over traps of vsup's own, libraries that come and go, threads, a fork and an exec.
// RUN: none --trace-children=yes
// SKIP: callgrind-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
// SKIP: callgrind-plain-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
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
static volatile int handled;
static void handler(int number) { handled += number == SIGUSR1; }
int main(int argc, char** argv) {
  if (argc > 1) {  // inherited
    ignored(NULL);
    return 7;
  }
  signal(SIGTRAP, SIG_IGN);
  signal(SIGUSR1, handler);
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
    void* library = dlopen("libutil.so.1", RTLD_NOW);
    CHECK(library != NULL && dlclose(library) == 0);
    ignored(NULL);
    kill(getpid(), SIGUSR1);
  }
  CHECK(handled != 0);
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
