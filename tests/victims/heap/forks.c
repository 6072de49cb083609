// 300 forks while threads allocate: each child allocates, too, and none waits for a lock that nobody holds.
// MODES: default, massif, massif-toggle, massif-cache, massif-cache-toggle
// EXPECT: 300 children
// TIMEOUT: 60
#include "../victim.h"
static volatile int stop;
static void* work(void* unused) {
  void* blocks[32] = {0};
  for (unsigned i = 0; !stop; ++i) {
    free(blocks[i % 32]);
    blocks[i % 32] = malloc(i % 300);
  }
  for (int i = 0; i < 32; ++i) free(blocks[i]);
  return NULL;
}
int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, NULL);
  int good = 0;
  for (int i = 0; i < 300; ++i) {
    pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 50; ++k) free(malloc(k * 10));
      _exit(7);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  stop = 1;
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  printf("%d children\n", good);
}
