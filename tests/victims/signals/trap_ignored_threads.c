// Threads that make the agent ask the supervisor at the same time, by traps, while SIGTRAP is ignored: whoever makes the
// app's choice again drops the traps that wait in the others.
// RUN: none --trace-children=yes
// SKIP: callgrind-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
// SKIP: callgrind-plain-toggle a breakpoint in native code resets what the app has made of SIGTRAP since it was set
// EXPECT: all calls returned, ignored
#include "../victim.h"
enum { kThreads = 4, kCalls = 200 };
static void* calls(void* unused) {
  for (int i = 0; i < kCalls; ++i) {
    uint8_t* code = code_pages(4096);
    put_return(code, (uint32_t)i);
    CHECK(((int (*)(void))code)() == i);
    munmap(code, 4096);
  }
  return unused;
}
int main(void) {
  signal(SIGTRAP, SIG_IGN);
  EACH_ROUND {
    pthread_t threads[kThreads];
    for (int i = 0; i < kThreads; ++i) CHECK(pthread_create(&threads[i], NULL, calls, NULL) == 0);
    for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
  }
  raise(SIGTRAP);
  struct sigaction action;
  CHECK(sigaction(SIGTRAP, NULL, &action) == 0 && (void*)action.sa_handler == (void*)SIG_IGN);
  puts("all calls returned, ignored");
}
