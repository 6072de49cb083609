// A program to profile: recursion, a tight loop, calls through pointers, a tail call, and on request threads, forks, an
// exec or an end by a signal.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int sink;

__attribute__((noinline)) int fib(int n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) int leaf(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) sum += i ^ rounds;
  return sum;
}

__attribute__((noinline)) int add_one(int x) {
  return x + sink + 1;
}
__attribute__((noinline)) int add_two(int x) {
  return x + sink + 2;
}
static int (*volatile table[2])(int) = {add_one, add_two};

__attribute__((noinline)) int through_pointers(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) sum += table[i & 1](i);
  return sum;
}

__attribute__((noinline)) void work(void) {
  sink = fib(12) + leaf(1000) + through_pointers(500);
}

static void* thread(void* rounds) {
  for (long i = 0; i < (long)rounds; ++i) work();
  return NULL;
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "plain";
  long rounds = argc > 2 ? atol(argv[2]) : 1;
  if (strcmp(mode, "threads") == 0) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, thread, (void*)rounds);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    return 0;
  }
  for (long i = 0; i < rounds; ++i) work();
  if (strcmp(mode, "fork") == 0) {
    pid_t child = fork();
    if (child == 0) {
      work();
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  if (strcmp(mode, "exec") == 0) execl(argv[0], argv[0], "plain", "2", NULL);
  if (strcmp(mode, "kill") == 0) raise(argc > 3 ? atoi(argv[3]) : SIGKILL);
  if (strcmp(mode, "fault") == 0) *(volatile int*)8 = 1;
  return 0;
}
