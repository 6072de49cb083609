// The first thread ends by pthread_exit; the others go on, and the last one's exit is the program's.
// EXPECT: last thread prints
// EXIT: 5
#include "../victim.h"
static void* work(void* unused) {
  usleep(60000);
  puts("last thread prints");
  exit(5);
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
  pthread_exit(NULL);
}
