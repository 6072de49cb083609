// fork in a process with other threads: the child has one, and computes right.
// EXPECT: forks 40 ok
#include "../victim.h"
static volatile int stop;
static void* work(void* unused) {
  while (!stop) {
    void* p = malloc(100);
    free(p);
  }
  return NULL;
}
static long compute(void) {
  volatile long sum = 0;
  for (int i = 0; i < 10000; ++i) sum += i;
  return sum;
}
int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, work, NULL);
  int good = 0;
  for (int i = 0; i < 40; ++i) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(compute() == 49995000 ? 17 : 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    good += WIFEXITED(status) && WEXITSTATUS(status) == 17;
  }
  stop = 1;
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  CHECK(compute() == 49995000);
  printf("forks %d ok\n", good);
}
