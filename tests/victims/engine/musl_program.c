// A program with musl instead of glibc: another loader, another start.
// BUILD: musl
// EXPECT: musl 499500
#include <pthread.h>
#include <stdio.h>
static void* work(void* p) {
  for (int i = 0; i < 1000; ++i) *(long*)p += i;
  return p;
}
int main(void) {
  long sum = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, work, &sum);
  pthread_join(thread, NULL);
  printf("musl %ld\n", sum);
}
