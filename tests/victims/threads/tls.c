// Each thread's TLS is its own, static and dynamic, in initial-exec and in general-dynamic form.
// EXPECT: tls ok
#include "../victim.h"
static __thread long fast = 7;
static __thread char large[3000];
__thread long global_dynamic __attribute__((tls_model("global-dynamic"))) = 9;
static pthread_key_t key;
static int destroyed;
static void destroy(void* value) { __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST); }
static void* work(void* argument) {
  long n = (long)argument;
  CHECK(fast == 7 && global_dynamic == 9);
  pthread_setspecific(key, (void*)(n + 1));
  for (int i = 0; i < 1000; ++i) {
    fast += n, global_dynamic -= n, large[(i * 7) % 3000] = (char)n;
    if (i % 100 == 0) sched_yield();
    errno = (int)n;
    CHECK(errno == n);
  }
  CHECK(fast == 7 + 1000 * n && global_dynamic == 9 - 1000 * n && pthread_getspecific(key) == (void*)(n + 1));
  return NULL;
}
int main(void) {
  pthread_key_create(&key, destroy);
  int made = 0;
  EACH_ROUND {
    pthread_t threads[8];
    for (long i = 0; i < 8; ++i, ++made) pthread_create(&threads[i], NULL, work, (void*)i);
    for (int i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  }
  CHECK(destroyed == made && fast == 7);
  puts("tls ok");
}
