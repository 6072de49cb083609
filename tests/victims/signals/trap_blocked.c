// SIGTRAP that is blocked stays so over traps of vsup's own, and waits for who asks for it by sigwait.
// RUN: none --trace-children=yes
// SKIP: callgrind-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
// SKIP: callgrind-plain-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
// EXPECT: blocked all the time
#include <dlfcn.h>
#include "../victim.h"
static void check_blocked(int expected) {
  sigset_t mask;
  CHECK(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGTRAP) == expected);
}
static void meet_new_code(void) {
  uint8_t* code = code_pages(4096);
  put_return(code, 42);
  CHECK(((int (*)(void))code)() == 42);
  munmap(code, 4096);
  void* library = dlopen("libutil.so.1", RTLD_NOW);
  CHECK(library != NULL && dlclose(library) == 0);
}
static void take_one(void) {
  sigset_t trap;
  int number = 0;
  sigemptyset(&trap);
  sigaddset(&trap, SIGTRAP);
  raise(SIGTRAP);
  meet_new_code();
  check_blocked(1);
  CHECK(sigwait(&trap, &number) == 0 && number == SIGTRAP);
  check_blocked(1);
}
static void* thread(void* unused) {
  check_blocked(1);  // inherited
  take_one();
  return unused;
}
int main(int argc, char** argv) {
  if (argc > 1) {
    check_blocked(1);  // inherited
    take_one();
    return 7;
  }
  meet_new_code();
  check_blocked(0);
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  EACH_ROUND {
    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    take_one();
    pthread_join(other, NULL);
  }
  int status = 0;
  if (fork() == 0) {
    take_one();
    execl("/proc/self/exe", argv[0], "again", NULL);
    _exit(1);
  }
  CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  check_blocked(1);
  sigprocmask(SIG_SETMASK, &before, NULL);
  meet_new_code();
  check_blocked(0);
  puts("blocked all the time");
}
