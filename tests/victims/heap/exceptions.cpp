// std::bad_alloc and an exception of a new handler fly out of operator new; a thread is cancelled while it allocates.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: unwound f
// EXPECT: bad_alloc
// EXPECT: unwound handler
// EXPECT: unwound f
// EXPECT: 42
// EXPECT: unwound thread
// EXPECT: cancelled
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>
struct Guard {
  const char* name;
  ~Guard() { printf("unwound %s\n", name); }
};
static void __attribute__((noinline)) f() {
  Guard guard{"f"};
  volatile size_t size = ~size_t{0} >> 1;
  void* block = operator new(size);
  printf("%p\n", block);
}
static void handler() {
  Guard guard{"handler"};
  throw 42;
}
static void* work(void*) {
  Guard guard{"thread"};
  for (;;) {
    free(malloc(100));
    pthread_testcancel();
  }
}
int main() {
  try {
    f();
  } catch (std::bad_alloc&) {
    puts("bad_alloc");
  }
  std::set_new_handler(handler);
  try {
    f();
  } catch (int value) {
    printf("%d\n", value);
  }
  pthread_t thread;
  pthread_create(&thread, nullptr, work, nullptr);
  usleep(10000);
  pthread_cancel(thread);
  void* result = nullptr;
  pthread_join(thread, &result);
  puts(result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
}
