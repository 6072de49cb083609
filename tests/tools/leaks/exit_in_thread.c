// Another thread than the first ends the program; both have pointers on their stacks.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void* run(void* unused) {
  char* volatile held = malloc(31);
  memset(held, 1, 31);
  exit(3);
  return unused;
}

int main(void) {
  char* volatile held = malloc(32);
  memset(held, 1, 32);
  pthread_t thread;
  pthread_create(&thread, NULL, run, NULL);
  for (;;) pause();
}
