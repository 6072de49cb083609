// x86's memory order holds between threads: a message passed by plain stores is never seen in part.
// EXPECT: messages ok
#include "../victim.h"
static volatile long payload, flag;
static void* reader(void* unused) {
  long last = 0;
  while (last < 200000) {
    long f = flag;
    long p = payload;
    CHECK(p >= f && f >= last);
    last = f;
  }
  return NULL;
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, reader, NULL);
  for (long i = 1; i <= 200000; ++i) payload = i, flag = i;
  pthread_join(thread, NULL);
  puts("messages ok");
}
